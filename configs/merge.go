package configs

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"mobilellm/internal/hint"
)

// merge lays the sources over each other and returns the setting that wins for
// each key that any of them sets. Viper does it; its values are settings, or plain
// strings from the environment.
func (s *schema) merge(chain []*document, src Source) (winners []*setting, warnings []string, err error) {
	v := viper.New()
	for _, doc := range chain {
		if err := v.MergeConfigMap(nest(doc.settings)); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", doc.file.label, err)
		}
	}
	variables := map[string]string{} // of each key
	if src.EnvPrefix != "" {
		variables = s.variables(src.EnvPrefix)
		for key, name := range variables {
			if err := v.BindEnv(key, name); err != nil {
				return nil, nil, fmt.Errorf("environment variable %s: %w", name, err)
			}
		}
		warnings = strayVariables(src.EnvPrefix, variables)
	}
	overrides, err := s.overrides(src)
	for _, set := range overrides {
		v.Set(set.field.key, set)
	}
	for _, f := range s.root.leaves() {
		switch value := v.Get(f.key).(type) {
		case *setting:
			winners = append(winners, value)
		case string:
			winners = append(winners, textSetting(f, value, Origin{Kind: FromEnvironment, Name: variables[f.key]}))
		}
	}
	return winners, warnings, err // with what could be read all the same
}

// nest turns settings into maps of maps, as viper wants them.
func nest(settings []*setting) map[string]any {
	root := map[string]any{}
	for _, set := range settings {
		parts := strings.Split(set.field.key, ".")
		m := root
		for _, part := range parts[:len(parts)-1] {
			inner, ok := m[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				m[part] = inner
			}
			m = inner
		}
		m[parts[len(parts)-1]] = set
	}
	return root
}

// variables names the environment variable of each key.
func (s *schema) variables(prefix string) map[string]string {
	names := map[string]string{}
	for _, f := range s.root.leaves() {
		names[f.key] = prefix + "_" + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
	}
	return names
}

// strayVariables warns of environment variables that look like a misspelt one.
// Others with the same prefix may have another purpose.
func strayVariables(prefix string, variables map[string]string) []string {
	known := slices.Sorted(maps.Values(variables))
	var warnings []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix+"_") || slices.Contains(known, name) {
			continue
		}
		if guess, distance := hint.Nearest(name, known); distance <= 2 {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is no key of the config: did you mean %s?", name, guess))
		}
	}
	slices.Sort(warnings)
	return warnings
}
