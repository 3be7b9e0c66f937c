package data

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"mobilellm/data/conversation"
)

// GoSourceName is the source that stands for the Go toolchain's own source
// tree, see [GoSource].
const GoSourceName = "go-source"

// Source names text to train on: a file, a folder, a glob or [GoSourceName].
type Source struct {
	Path   string            `yaml:"path" help:"A file, a folder, a glob, token shards, or go-source for the Go toolchain's source tree."`
	Weight float64           `yaml:"weight" help:"The source's share of the samples; where all weights are 1, every token of the text counts the same."`
	Kind   conversation.Kind `yaml:"kind,omitempty" json:",omitempty" help:"What its records are: text, chat or prompt_completion; data.kind where it is left out."`
}

// UnmarshalYAML accepts a path alone or a mapping with path, weight and kind.
func (s *Source) UnmarshalYAML(node *yaml.Node) error {
	*s = Source{Weight: 1}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.ScalarNode:
		if node.Tag == "!!null" {
			return fmt.Errorf("line %d: data source: want a path or {path, weight, kind}, got nothing", node.Line)
		}
		return node.Decode(&s.Path) // which may be !!binary
	case yaml.MappingNode:
		for i := 0; i < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			var err error
			switch key.Value {
			case "path":
				err = value.Decode(&s.Path)
			case "weight":
				err = value.Decode(&s.Weight)
			case "kind":
				err = value.Decode(&s.Kind)
			default:
				return fmt.Errorf("line %d: data source: unknown key %q, want path, weight or kind", key.Line, key.Value)
			}
			if err != nil {
				return fmt.Errorf("data source: %s: %w", key.Value, err)
			}
		}
		return nil
	}
	return fmt.Errorf("line %d: data source: want a path or {path, weight, kind}", node.Line)
}

// MarshalYAML writes a source of weight 1 that has no kind as its path.
func (s Source) MarshalYAML() (any, error) {
	if s.Weight == 1 && s.Kind == "" {
		return s.Path, nil
	}
	type plain Source
	return plain(s), nil
}

// Texts are the sources at some paths.
func Texts(paths ...string) Sources {
	list := make(Sources, len(paths))
	for i, path := range paths {
		list[i] = Source{Path: path, Weight: 1}
	}
	return list
}

// Sources is a list of sources; in YAML one path alone, or one mapping, is a
// list of one.
type Sources []Source

// UnmarshalYAML accepts a list, or a single source.
func (s *Sources) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		*s = make(Sources, 1)
		return (*s)[0].UnmarshalYAML(node)
	}
	*s = make(Sources, len(node.Content))
	for i, item := range node.Content { // Decode would pass over one without a value
		if err := (*s)[i].UnmarshalYAML(item); err != nil {
			return err
		}
	}
	return nil
}
