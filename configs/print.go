package configs

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Print writes v, a struct or a pointer to one, as a config that loads again to
// the same values, each key followed by its help as a comment. A section that is a
// nil pointer is left out.
func Print(w io.Writer, v any) error {
	value := reflect.ValueOf(v)
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	s := newSchema(structType(v))
	var out strings.Builder
	if err := printSection(&out, s.root, value, ""); err != nil {
		return err
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func printSection(out *strings.Builder, section *field, root reflect.Value, indent string) error {
	afterSection := false
	for i, f := range section.children {
		value := f.in(root, false)
		if f.section && (!value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil()) {
			continue
		}
		if indent == "" && i > 0 && (f.section || afterSection) {
			out.WriteByte('\n')
		}
		afterSection = f.section
		if !f.section {
			if err := printLeaf(out, f, value, indent); err != nil {
				return err
			}
			continue
		}
		if f.help != "" {
			fmt.Fprintf(out, "%s# %s\n", indent, f.help)
		}
		fmt.Fprintf(out, "%s%s:\n", indent, f.name)
		if err := printSection(out, f, root, indent+"  "); err != nil {
			return err
		}
	}
	return nil
}

func printLeaf(out *strings.Builder, f *field, value reflect.Value, indent string) error {
	var node yaml.Node
	if err := node.Encode(value.Interface()); err != nil {
		return fmt.Errorf("%s: %w", f.key, err)
	}
	onOneLine(&node)
	text, err := yaml.Marshal(&node)
	if err != nil {
		return fmt.Errorf("%s: %w", f.key, err)
	}
	fmt.Fprintf(out, "%s%s: %s", indent, f.name, strings.TrimSpace(string(text)))
	if f.help != "" {
		fmt.Fprintf(out, " # %s", f.help)
	}
	out.WriteByte('\n')
	return nil
}

// onOneLine chooses the styles that keep a value in the line of its key.
func onOneLine(node *yaml.Node) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	switch node.Kind {
	case yaml.ScalarNode:
		// yaml.v3 writes the text << as if it were a merge key.
		if strings.ContainsAny(node.Value, "\n\r\u0085\u2028\u2029") || node.Value == "<<" {
			node.Tag = "!!str"
			node.Style = yaml.DoubleQuotedStyle
		}
	default:
		node.Style = yaml.FlowStyle
	}
	for _, child := range node.Content {
		onOneLine(child)
	}
}
