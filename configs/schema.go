package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is a key of a configuration: a section, whose children are keys, or a
// leaf, which holds a value.
type field struct {
	key      string // dotted path, "" for the root
	name     string // last part of key
	help     string
	typ      reflect.Type
	index    []int // where the value lies in the struct
	children []*field
	section  bool
}

// schema is what a struct's type says about the configuration read into it.
type schema struct {
	root   *field
	fields []*field // all but the root, in order of declaration, sections before their keys
	byKey  map[string]*field
}

var (
	unmarshalerType     = reflect.TypeFor[yaml.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// Keys lists the dotted keys that a configuration read into v, a struct or a
// pointer to one, may set, in order of declaration.
func Keys(v any) []string {
	var keys []string
	for _, f := range newSchema(structType(v)).fields {
		if !f.section {
			keys = append(keys, f.key)
		}
	}
	return keys
}

func structType(v any) reflect.Type {
	t := reflect.TypeOf(v)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("configs: %T is neither a struct nor a pointer to one", v))
	}
	return t
}

// newSchema reads the tags of a struct. A key that viper could not hold or that
// appears twice is a mistake in the program and panics.
func newSchema(t reflect.Type) *schema {
	s := &schema{root: &field{typ: t, section: true}, byKey: map[string]*field{}}
	s.add(s.root, t, nil)
	return s
}

// add makes the fields of struct t, which lies at index, children of parent.
func (s *schema) add(parent *field, t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		at := append(append([]int(nil), index...), i)
		if name == "-" || !sf.IsExported() {
			continue
		}
		if strings.Contains(","+options+",", ",inline,") {
			s.add(parent, sf.Type, at)
			continue
		}
		if name == "" {
			name = strings.ToLower(sf.Name)
		}
		f := &field{key: join(parent.key, name), name: name, help: helpOf(sf), typ: sf.Type, index: at}
		if name != strings.ToLower(name) || strings.Contains(name, ".") {
			panic(fmt.Sprintf("configs: key %q of %s must be lower-case and without dots", f.key, t))
		}
		if s.byKey[f.key] != nil {
			panic(fmt.Sprintf("configs: key %q of %s appears twice", f.key, t))
		}
		s.byKey[f.key] = f
		s.fields = append(s.fields, f)
		parent.children = append(parent.children, f)
		if inner, ok := sectionType(sf.Type); ok {
			f.section = true
			s.add(f, inner, at)
		}
	}
}

// Chooser is a type whose values are names: the help of a key of that type has
// {choices} where they stand.
type Chooser interface {
	Choices() string // adamw, adam or sgd
}

func helpOf(sf reflect.StructField) string {
	help := sf.Tag.Get("help")
	if c, ok := reflect.Zero(sf.Type).Interface().(Chooser); ok {
		help = strings.ReplaceAll(help, "{choices}", c.Choices())
	}
	return help
}

// sectionType returns the struct behind a section's type, which may be a pointer.
// A struct that decodes itself is a leaf.
func sectionType(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct && !decodesItself(t)
}

// decodesItself reports whether t has a method that reads it from YAML or text.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(unmarshalerType) || p.Implements(textUnmarshalerType)
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// child returns the key of that name in section f, nil where there is none.
func (f *field) child(name string) *field {
	for _, c := range f.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// keys lists all keys, sections included, for suggestions.
func (s *schema) keys() []string {
	keys := make([]string, len(s.fields))
	for i, f := range s.fields {
		keys[i] = f.key
	}
	return keys
}

// leaves lists the fields below f that hold values.
func (f *field) leaves() []*field {
	if !f.section {
		return []*field{f}
	}
	var list []*field
	for _, c := range f.children {
		list = append(list, c.leaves()...)
	}
	return list
}

// in returns f's value within the struct v. A nil section on the way is allocated
// where alloc is set, and else gives an invalid value. A section that is a pointer
// must not be shared with a struct that has to stay as it is: see isolate.
func (f *field) in(v reflect.Value, alloc bool) reflect.Value {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !alloc {
					return reflect.Value{}
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

// isolate gives the struct v copies of its own of the sections that it holds by
// pointer.
func (s *schema) isolate(v reflect.Value) {
	for _, f := range s.fields {
		if !f.section || f.typ.Kind() != reflect.Pointer {
			continue
		}
		if p := f.in(v, false); p.IsValid() && !p.IsNil() {
			own := reflect.New(p.Type().Elem())
			own.Elem().Set(p.Elem())
			p.Set(own)
		}
	}
}
