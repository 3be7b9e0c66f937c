package configs

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Values from the command line and the environment are text, and mostly paths. A
// key of text has the whole of it: in a #1.txt nothing is a comment, and in
// {a}.txt or a: b.txt nothing is a mapping. Quotes around all of it are taken off,
// as YAML has them ("\n---\n" is a separator of five characters). A key whose
// value reads itself, and a list, take YAML that they understand, such as
// [a.txt, {path: b.txt, weight: 2}], and else the text. Numbers and switches are
// YAML.

// decodeText reads a value that came as text.
func (d *decoder) decodeText(v reflect.Value, key string) {
	set := d.setting
	switch {
	case !holdsText(v.Type()) || set.raw == "":
		d.value(set.node, v, key)
	case target(set.node).Kind == yaml.ScalarNode:
		d.value(textNode(v.Type(), set.text()), v, key)
	default:
		d.value(set.node, v, key)
		if asYAML := d.errs; len(asYAML) > 0 {
			d.errs = nil
			if d.value(textNode(v.Type(), set.raw), v, key); len(d.errs) > 0 {
				d.errs = asYAML
			}
		}
	}
}

// holdsText says whether a value may be a text: a string, what reads itself, and
// lists of them.
func holdsText(t reflect.Type) bool {
	switch {
	case t == durationType:
		return false
	case decodesItself(t), t.Kind() == reflect.String:
		return true
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Pointer:
		return holdsText(t.Elem())
	}
	return false
}

// textNode is a text as the value of a type that holds text. Where the type reads
// itself it may be a number too.
func textNode(t reflect.Type, text string) *yaml.Node {
	for !decodesItself(t) && t.Kind() != reflect.String {
		t = t.Elem()
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if !decodesItself(t) || node.ShortTag() == "!!null" {
		node.Tag = "!!str"
	}
	return node
}

// text is the value of a scalar: what was written, or what quotes around all of it
// hold.
func (s *setting) text() string {
	trimmed := strings.TrimSpace(s.raw)
	quoted := s.node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
	for _, quote := range []string{`"`, "'"} {
		if quoted && s.node.LineComment == "" && strings.HasPrefix(trimmed, quote) && strings.HasSuffix(trimmed, quote) {
			return s.node.Value
		}
	}
	return s.raw
}
