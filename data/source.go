package data

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// GoSourceName is the source that stands for the Go toolchain's own source
// tree, see [GoSource].
const GoSourceName = "go-source"

// Source names text to train on: a file, a folder, a glob or [GoSourceName].
type Source struct {
	Path   string  `yaml:"path" help:"A file, a folder, a glob, token shards, or go-source for the Go toolchain's source tree."`
	Weight float64 `yaml:"weight" help:"The source's share of the samples; where all weights are 1, every token of the text counts the same."`
}

// UnmarshalYAML accepts a path alone or a mapping with path and weight.
func (s *Source) UnmarshalYAML(node *yaml.Node) error {
	*s = Source{Weight: 1}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.ScalarNode:
		if node.Tag == "!!null" {
			return fmt.Errorf("line %d: data source: want a path or {path, weight}, got nothing", node.Line)
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
			default:
				return fmt.Errorf("line %d: data source: unknown key %q, want path or weight", key.Line, key.Value)
			}
			if err != nil {
				return fmt.Errorf("data source: %s: %w", key.Value, err)
			}
		}
		return nil
	}
	return fmt.Errorf("line %d: data source: want a path or {path, weight}", node.Line)
}

// MarshalYAML writes a source of weight 1 as its path.
func (s Source) MarshalYAML() (any, error) {
	if s.Weight == 1 {
		return s.Path, nil
	}
	type plain Source
	return plain(s), nil
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

// Paths is a list of files, folders and globs; in YAML one path alone is a
// list of one.
type Paths []string

// UnmarshalYAML accepts a list, or a single path.
func (p *Paths) UnmarshalYAML(node *yaml.Node) error {
	items := node.Content
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag != "!!null":
		items = []*yaml.Node{node}
	case node.Kind != yaml.SequenceNode:
		return fmt.Errorf("line %d: want a path, or a list of paths", node.Line)
	}
	*p = make(Paths, len(items))
	for i, item := range items {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return fmt.Errorf("line %d: want a path, or a list of paths", item.Line)
		}
		if err := item.Decode(&(*p)[i]); err != nil { // which may be !!binary
			return err
		}
	}
	return nil
}
