package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setting is a value for a key, before it is decoded.
type setting struct {
	field  *field
	node   *yaml.Node
	origin Origin
	// raw is what was written where the value comes from text without types: the
	// environment, --set or a flag. There 7 may stand for a string.
	raw    string
	isText bool
}

// document is a parsed config file.
type document struct {
	file        *file
	settings    []*setting
	extends     string // "" where it extends nothing
	extendsLine int
}

// parseFile reads the settings of a file. All mistakes are reported, joined.
func (s *schema) parseFile(f *file, depth int) (*document, error) {
	if len(bytes.TrimSpace(f.text)) == 0 {
		return nil, fmt.Errorf("%s: the file is empty", f.label)
	}
	if err := f.checkText(); err != nil {
		return nil, err
	}
	root, err := f.parseYAML()
	if err != nil {
		return nil, err
	}
	w := &walker{schema: s, origin: Origin{Kind: FromFile, Name: f.label, depth: depth}}
	doc := &document{file: f}
	root, err = w.takeExtends(root, doc)
	if err != nil {
		return nil, err
	}
	w.section(s.root, root, root.Line)
	w.check()
	doc.settings = w.settings
	return doc, errors.Join(w.errs...)
}

// parseYAML returns the mapping that the file's one document holds.
func (f *file) parseYAML() (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(f.text))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: the file holds no keys", f.label)
	case err != nil:
		return nil, f.syntaxError(err)
	}
	root := doc.Content[0]
	if root.ShortTag() == "!!null" {
		return nil, fmt.Errorf("%s: the file holds no keys", f.label)
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: a config must be sections of keys, not %s", f.label, root.Line, show(root))
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a config must be one YAML document", f.label, second.Line)
	case !errors.Is(err, io.EOF):
		return nil, f.syntaxError(err)
	}
	return root, nil
}

// walker collects settings and mistakes from a file's nodes.
type walker struct {
	schema   *schema
	origin   Origin
	settings []*setting
	errs     []error
}

// check decodes every setting, so that a mistake is told also where another file
// overrides it.
func (w *walker) check() {
	for _, set := range w.settings {
		if err := set.decode(reflect.New(set.field.typ).Elem()); err != nil {
			w.errs = append(w.errs, err)
		}
	}
}

func (w *walker) errorf(line int, format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf("%s: %w", w.origin.at(line), fmt.Errorf(format, args...)))
}

// takeExtends moves the top-level key extends from the file's mapping to doc.
func (w *walker) takeExtends(root *yaml.Node, doc *document) (*yaml.Node, error) {
	rest := *root
	rest.Content = nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if key.Value != "extends" || doc.extends != "" {
			rest.Content = append(rest.Content, key, value) // a second extends is an unknown key
			continue
		}
		if value.Kind != yaml.ScalarNode || value.Value == "" || value.ShortTag() == "!!null" {
			return nil, fmt.Errorf("%s: extends (%s) must be the name of a config", w.origin.at(key.Line), show(value))
		}
		doc.extends, doc.extendsLine = value.Value, key.Line
	}
	return &rest, nil
}

// section reads the keys of section f from node, whose key stands in line.
func (w *walker) section(f *field, node *yaml.Node, line int) {
	node = target(node)
	if node.ShortTag() == "!!null" {
		return // all its keys are commented out
	}
	if node.Kind != yaml.MappingNode {
		w.errorf(line, "%s (%s) must be a section of keys", f.key, show(node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := key.Value
		if err := checkKey(key, f.key); err != nil {
			w.errorf(key.Line, "%w", err)
			continue
		}
		if first, ok := seen[name]; ok {
			w.errorf(key.Line, "duplicate key %q: first in line %d", join(f.key, name), first)
			continue
		}
		seen[name] = key.Line
		child := f.child(name)
		switch {
		case child == nil:
			w.errorf(key.Line, "%w", w.schema.unknownKey(f, name))
		case child.section:
			w.section(child, value, key.Line)
		default:
			w.settings = append(w.settings, &setting{field: child, node: value, origin: w.origin.at(key.Line)})
		}
	}
}

// checkKey refuses what YAML allows as a key and a config does not.
func checkKey(key *yaml.Node, section string) error {
	where := "at the top level"
	if section != "" {
		where = fmt.Sprintf("in %q", section)
	}
	switch {
	case key.ShortTag() == "!!merge":
		return fmt.Errorf("merge key << %s is not supported\nhint: extends: NAME inherits from another config", where)
	case key.Kind != yaml.ScalarNode:
		return fmt.Errorf("key %s %s must be a name", show(key), where)
	}
	return nil
}

// unknownKey is the error for a name that section f does not have.
func (s *schema) unknownKey(f *field, name string) error {
	key := join(f.key, name)
	if name == "extends" {
		return fmt.Errorf("key %q may stand once, at the top level", key)
	}
	if known := s.byKey[name]; known != nil && f == s.root {
		return fmt.Errorf("key %q must be nested: %s", name, strings.ReplaceAll(name, ".", ": {")+": …"+strings.Repeat("}", strings.Count(name, ".")))
	}
	return fmt.Errorf("unknown key %q: %s", key, suggest(key, s.keys()))
}

// target follows an alias (*name) to its anchor.
func target(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}
