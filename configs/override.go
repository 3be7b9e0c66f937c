package configs

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

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
	if trimmed := strings.TrimRight(key, " "); trimmed != key { // KEY = VALUE
		raw = strings.TrimLeft(raw, " ")
	}
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
	switch value := value.(type) {
	case string:
		set.raw = value
		set.node = &yaml.Node{Kind: yaml.ScalarNode, Value: value}
		return set, nil
	case []string: // as they are, which Encode changes where they are not UTF-8
		set.node = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, text := range value {
			set.node.Content = append(set.node.Content, plainText(text))
		}
		return set, nil
	}
	set.node = &yaml.Node{}
	if err := set.node.Encode(value); err != nil {
		return nil, fmt.Errorf("value %v: %w", value, err)
	}
	set.raw = set.node.Value
	return set, nil
}

// textSetting parses text from outside a file as YAML, see decodeText for what
// becomes of it. What is no YAML, or more than one document, is text.
func textSetting(f *field, raw string, origin Origin) *setting {
	set := &setting{field: f, raw: raw, isText: true, origin: origin}
	decoder := yaml.NewDecoder(strings.NewReader(raw))
	var doc, second yaml.Node
	switch {
	case decoder.Decode(&doc) == nil && len(doc.Content) == 1 && decoder.Decode(&second) == io.EOF:
		set.node = doc.Content[0]
	case raw == "":
		set.node = &yaml.Node{Kind: yaml.ScalarNode}
	default:
		set.node = plainText(raw)
	}
	return set
}

// plainText is text that is nothing else.
func plainText(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}
