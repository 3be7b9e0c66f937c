package experiments

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Axes are keys of a configuration with the values that they take, in order.
type Axes struct{ list []axis }

type axis struct {
	key    *yaml.Node // dotted
	values []*yaml.Node
}

// UnmarshalYAML reads a mapping of dotted keys to lists.
func (a *Axes) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode || len(node.Content) == 0 {
		return errors.New("no axis is given\nhint: an axis is a key with a list of values, such as model.layers: [4, 8]")
	}
	a.list = nil
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, values := node.Content[i], node.Content[i+1]
		if values.Kind != yaml.SequenceNode || len(values.Content) == 0 {
			return fmt.Errorf("axis %s has no values\nhint: an axis is a key with a list of values, such as model.layers: [4, 8]", key.Value)
		}
		a.list = append(a.list, axis{key, values.Content})
	}
	return nil
}

// point is a place on all axes.
type point struct {
	name     string // such as "layers=4 dim=128"
	settings []Settings
}

// grid lists every combination, the last axis running fastest.
func (a Axes) grid() []point {
	points := []point{{}}
	for _, axis := range a.list {
		var next []point
		for _, p := range points {
			for _, value := range axis.values {
				next = append(next, p.with(axis.key, value))
			}
		}
		points = next
	}
	return points
}

// zip lists the points at equal places of all axes.
func (a Axes) zip() ([]point, error) {
	if len(a.list) == 0 {
		return []point{{}}, nil
	}
	points := make([]point, len(a.list[0].values))
	for _, axis := range a.list {
		if len(axis.values) != len(points) {
			return nil, fmt.Errorf("zip: axis %s has %d values and %s %d", axis.key.Value, len(axis.values), a.list[0].key.Value, len(points))
		}
		for i, value := range axis.values {
			points[i] = points[i].with(axis.key, value)
		}
	}
	return points, nil
}

func (p point) with(key, value *yaml.Node) point {
	last := key.Value[strings.LastIndexByte(key.Value, '.')+1:]
	name := fmt.Sprintf("%s=%s", last, flow(value))
	if p.name != "" {
		name = p.name + " " + name
	}
	return point{name, append(p.settings[:len(p.settings):len(p.settings)], Settings{nest(key, value)})}
}

// nest is the mapping of sections that a dotted key stands for.
func nest(key, value *yaml.Node) *yaml.Node {
	parts := strings.Split(key.Value, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: parts[i], Line: key.Line}
		value = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{name, value}, Line: key.Line}
	}
	return value
}

// flow writes a value on one line.
func flow(value *yaml.Node) string {
	short := *value
	if short.Kind == yaml.ScalarNode {
		return short.Value
	}
	short.Style |= yaml.FlowStyle
	text, err := yaml.Marshal(&short)
	if err != nil {
		return value.Value
	}
	return strings.TrimSpace(string(text))
}
