package configs

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// show renders a node for a message, shortened.
func show(node *yaml.Node) string { return shorten(render(node, 3)) }

func render(node *yaml.Node, depth int) string {
	node = target(node)
	const most = 4
	var parts []string
	switch node.Kind {
	case yaml.SequenceNode:
		for _, child := range node.Content {
			parts = append(parts, renderChild(child, depth))
			if len(parts) == most {
				break
			}
		}
		if len(node.Content) > len(parts) {
			parts = append(parts, "…")
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content) && len(parts) < most; i += 2 {
			parts = append(parts, renderChild(node.Content[i], depth)+": "+renderChild(node.Content[i+1], depth))
		}
		if len(node.Content) > 2*len(parts) {
			parts = append(parts, "…")
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	if node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 || node.Value == "" {
		return strconv.Quote(node.Value)
	}
	return node.Value
}

func renderChild(node *yaml.Node, depth int) string {
	if depth == 0 {
		return "…"
	}
	return render(node, depth-1)
}

func shorten(text string) string {
	const most = 60
	text = strings.ReplaceAll(text, "\n", " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
