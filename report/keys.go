package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mobilellm/configs"
	"mobilellm/train"
)

// key is a key of a configuration with its value as YAML has it.
type key struct {
	name  string
	value any
}

func (k key) text() string {
	if list, ok := k.value.([]any); ok {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = key{value: v}.text()
		}
		return strings.Join(words, ", ")
	}
	if section, ok := k.value.(map[string]any); ok {
		var words []string
		for name, v := range section {
			words = append(words, name+" "+key{value: v}.text())
		}
		slices.Sort(words)
		return strings.Join(words, " ")
	}
	return fmt.Sprint(k.value)
}

// configKeys are the keys of a configuration, in its order.
func configKeys(c *train.RunConfig) ([]key, error) {
	var text bytes.Buffer
	if err := configs.Print(&text, c); err != nil {
		return nil, err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text.Bytes(), &node); err != nil {
		return nil, err
	}
	if len(node.Content) == 0 {
		return nil, nil
	}
	return flatten(nil, "", node.Content[0])
}

func flatten(list []key, prefix string, node *yaml.Node) (_ []key, err error) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := prefix+node.Content[i].Value, node.Content[i+1]
		if value.Kind == yaml.MappingNode {
			if list, err = flatten(list, name+".", value); err != nil {
				return nil, err
			}
			continue
		}
		var v any
		if err := value.Decode(&v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if v != nil {
			list = append(list, key{name, v})
		}
	}
	return list, nil
}
