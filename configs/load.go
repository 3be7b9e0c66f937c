package configs

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"gopkg.in/yaml.v3"
)

// Source says where a configuration comes from. Later fields override earlier
// ones, but for the environment, which lies between the file and Set.
type Source struct {
	// Name is the path of a file or, where there is none, the name of an embedded
	// config, with or without ".yaml". Empty: no file, only defaults and overrides.
	Name string
	// Set holds overrides "optim.lr=6e-4", their values YAML; later ones win.
	Set []string
	// Flags holds the values of command-line flags under the dotted keys that they
	// stand for. A string is taken as it is.
	Flags map[string]any
	// EnvPrefix is what environment variables start with: with "MOBILELLM" the key
	// optim.lr is read from MOBILELLM_OPTIM_LR. Empty: none is read. An empty
	// variable counts as unset.
	EnvPrefix string
}

// Load reads a configuration into the struct that into points to, which holds the
// defaults. A key that is set nowhere keeps its value; lists are replaced, not
// joined. If into has a method Validate() error it has the last word, and its
// errors are located ([Resolved.Locate]). After an error into is unchanged.
func Load(into any, src Source) (*Resolved, error) {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		panic(fmt.Sprintf("configs: Load needs a pointer to a struct, not %T", into))
	}
	s := newSchema(structType(into))
	chain, err := s.readChain(src.Name)
	if err != nil {
		return nil, err
	}
	settings, warnings, err := s.merge(chain, src)
	if err != nil {
		return nil, err
	}

	loaded := reflect.New(s.root.typ)
	loaded.Elem().Set(target.Elem())
	s.isolate(loaded.Elem())
	resolved := &Resolved{Warnings: warnings, origins: map[string]Origin{}}
	for _, doc := range slices.Backward(chain) {
		resolved.Files = append(resolved.Files, doc.file.label)
	}
	var errs []error
	for _, set := range settings {
		resolved.origins[set.field.key] = set.origin
		if err := set.decode(set.field.in(loaded.Elem(), true)); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if v, ok := loaded.Interface().(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return nil, resolved.Locate(err)
		}
	}
	target.Elem().Set(loaded.Elem())
	return resolved, nil
}

// readChain parses a config and those that it extends, the base first.
func (s *schema) readChain(name string) ([]*document, error) {
	if name == "" {
		return nil, nil
	}
	f, err := openConfig(name, nil)
	if err != nil {
		return nil, err
	}
	var chain []*document
	var errs []error
	for {
		doc, err := s.parseFile(f, -len(chain))
		if doc == nil {
			return nil, errors.Join(append(errs, err)...)
		}
		if err != nil {
			errs = append(errs, err)
		}
		chain = append(chain, doc)
		if doc.extends == "" {
			break
		}
		where := Origin{Kind: FromFile, Name: doc.file.label, Line: doc.extendsLine}
		if f, err = openConfig(doc.extends, f); err != nil {
			return nil, fmt.Errorf("%s: extends: %w", where, err)
		}
		if err := checkCycle(chain, f); err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
	}
	slices.Reverse(chain)
	return chain, errors.Join(errs...)
}

// checkCycle reports a file that comes a second time in the chain.
func checkCycle(chain []*document, next *file) error {
	for i, doc := range chain {
		if doc.file.id != next.id {
			continue
		}
		var labels []string
		for _, doc := range chain[i:] {
			labels = append(labels, doc.file.label)
		}
		return fmt.Errorf("extends forms a cycle: %s → %s", strings.Join(labels, " → "), next.label)
	}
	return nil
}

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
	if err != nil {
		return nil, nil, err
	}
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
	return winners, warnings, nil
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
		if guess, distance := nearest(name, known); distance <= 2 {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is no key of the config: did you mean %s?", name, guess))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// overrides reads the --set options and, after them, the flags.
func (s *schema) overrides(src Source) ([]*setting, error) {
	var list []*setting
	var errs []error
	for _, option := range src.Set {
		settings, err := s.parseSet(option)
		if err != nil {
			errs = append(errs, err)
		}
		list = append(list, settings...)
	}
	for _, key := range slices.Sorted(maps.Keys(src.Flags)) {
		set, err := s.parseFlag(key, src.Flags[key])
		if err != nil {
			errs = append(errs, fmt.Errorf("flag for %s: %w", key, err))
			continue
		}
		list = append(list, set)
	}
	return list, errors.Join(errs...)
}

// parseSet reads KEY=VALUE. The key may be a section, its value then the keys to
// set in braces.
func (s *schema) parseSet(option string) ([]*setting, error) {
	key, raw, ok := strings.Cut(option, "=")
	key = strings.TrimSpace(key)
	origin := Origin{Kind: FromSet, Name: option}
	if !ok || key == "" {
		return nil, fmt.Errorf("%s: want KEY=VALUE, such as optim.lr=6e-4", origin)
	}
	f := s.byKey[key]
	if f == nil {
		return nil, fmt.Errorf("%s: unknown key %q: %s", origin, key, suggest(key, s.keys()))
	}
	set := textSetting(f, raw, origin)
	if !f.section {
		return []*setting{set}, nil
	}
	w := &walker{schema: s, origin: origin}
	w.section(f, set.node, 0)
	for _, inner := range w.settings {
		inner.isText, inner.raw = true, target(inner.node).Value
	}
	if len(w.settings) == 0 && len(w.errs) == 0 {
		return nil, fmt.Errorf("%s: no key of section %q is given", origin, key)
	}
	return w.settings, errors.Join(w.errs...)
}

func (s *schema) parseFlag(key string, value any) (*setting, error) {
	f := s.byKey[key]
	if f == nil || f.section {
		return nil, fmt.Errorf("unknown key %q: %s", key, suggest(key, s.keys()))
	}
	set := &setting{field: f, origin: Origin{Kind: FromFlag, Name: key}, isText: true}
	if text, ok := value.(string); ok {
		set.raw = text
		set.node = &yaml.Node{Kind: yaml.ScalarNode, Value: text}
		return set, nil
	}
	set.node = &yaml.Node{}
	if err := set.node.Encode(value); err != nil {
		return nil, fmt.Errorf("value %v: %w", value, err)
	}
	set.raw = set.node.Value
	return set, nil
}

// textSetting parses text from outside a file as YAML. What is not YAML, such as
// the pattern *.txt, is taken as it is.
func textSetting(f *field, raw string, origin Origin) *setting {
	set := &setting{field: f, raw: raw, isText: true, origin: origin}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(raw), &doc); err == nil && len(doc.Content) == 1 {
		set.node = doc.Content[0]
	} else {
		set.node = &yaml.Node{Kind: yaml.ScalarNode, Value: raw}
		if raw != "" {
			set.node.Tag = "!!str"
		}
	}
	return set
}
