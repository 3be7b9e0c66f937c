package configs

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// decode reads the setting's value into v. Errors are prefixed with its origin.
func (s *setting) decode(v reflect.Value) error {
	d := &decoder{setting: s}
	if s.isText {
		d.decodeText(v, s.field.key)
	} else {
		d.value(s.node, v, s.field.key)
	}
	return errors.Join(d.errs...)
}

// decoder reads YAML nodes into Go values and takes nothing for something else:
// yaml.v3 by itself would cut 64.5 down to the integer 64, leave keys of nested
// structs unknown and short arrays unfilled.
type decoder struct {
	setting *setting
	errs    []error
}

func (d *decoder) fail(node *yaml.Node, format string, args ...any) {
	origin := d.setting.origin
	if node != d.setting.node {
		origin = origin.at(node.Line)
	}
	d.errs = append(d.errs, fmt.Errorf("%s: %w", origin, fmt.Errorf(format, args...)))
}

// must reports a value of the wrong type.
func (d *decoder) must(node *yaml.Node, key, be string) {
	d.fail(node, "%s (%s) must be %s", key, show(node), be)
}

var durationType = reflect.TypeFor[time.Duration]()

func (d *decoder) value(node *yaml.Node, v reflect.Value, key string) {
	node = target(node)
	itself := decodesItself(v.Type())
	emptyText := d.setting.isText && v.Kind() == reflect.String && !itself
	if node.ShortTag() == "!!null" && !emptyText {
		d.null(node, v, key)
		return
	}
	if itself {
		d.itself(node, v, key)
		return
	}
	if v.Type() == durationType {
		d.duration(node, v, key)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(node, p.Elem(), key)
		v.Set(p)
	case reflect.Struct:
		d.mapping(node, v, key)
	case reflect.Slice:
		d.list(node, v, key)
	case reflect.Array:
		d.array(node, v, key)
	case reflect.Map:
		d.dictionary(node, v, key)
	case reflect.Bool:
		if !d.scalar(node, v, "!!bool") {
			d.must(node, key, "true or false")
		}
	case reflect.String:
		d.text(node, v, key)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.integer(node, v, key)
	case reflect.Float32, reflect.Float64:
		d.number(node, v, key)
	case reflect.Interface:
		if err := node.Decode(v.Addr().Interface()); err != nil {
			d.yamlError(node, key, err)
		}
	default:
		panic(fmt.Sprintf("configs: key %q has type %s, which no config can hold", key, v.Type()))
	}
}

// null is a key without a value. Only what can be absent takes it.
func (d *decoder) null(node *yaml.Node, v reflect.Value, key string) {
	switch kind := v.Kind(); {
	case kind == reflect.Pointer, kind == reflect.Interface:
		v.SetZero()
	case decodesItself(v.Type()):
		d.fail(node, "%s has no value", key)
	case kind == reflect.Slice:
		d.fail(node, "%s has no value: write [] for an empty list", key)
	case kind == reflect.String:
		d.fail(node, `%s has no value: write "" for an empty one`, key)
	default:
		d.fail(node, "%s has no value", key)
	}
}

// itself leaves a value to its own UnmarshalYAML or UnmarshalText.
func (d *decoder) itself(node *yaml.Node, v reflect.Value, key string) {
	if err := node.Decode(v.Addr().Interface()); err != nil {
		d.yamlError(node, key, err)
	}
}

var typeErrorLine = regexp.MustCompile(`^line (\d+): `)

func (d *decoder) yamlError(node *yaml.Node, key string, err error) {
	var typeError *yaml.TypeError
	if !errors.As(err, &typeError) {
		d.fail(node, "%s: %w", key, err)
		return
	}
	for _, message := range typeError.Errors {
		at := node
		if match := typeErrorLine.FindStringSubmatch(message); match != nil {
			message = message[len(match[0]):]
			if line, err := strconv.Atoi(match[1]); err == nil && line != node.Line {
				at = &yaml.Node{Line: line}
			}
		}
		d.fail(at, "%s (%s): %s", key, show(node), message)
	}
}

// scalar decodes a node of that tag and reports whether it could.
func (d *decoder) scalar(node *yaml.Node, v reflect.Value, tag string) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == tag && node.Decode(v.Addr().Interface()) == nil
}

func (d *decoder) text(node *yaml.Node, v reflect.Value, key string) {
	switch {
	case d.scalar(node, v, "!!str"), d.scalar(node, v, "!!binary"):
	case d.setting.isText && node == d.setting.node:
		v.SetString(d.setting.raw)
	case node.Kind == yaml.ScalarNode:
		d.must(node, key, "text: write "+strconv.Quote(node.Value))
	default:
		d.must(node, key, "text")
	}
}

func (d *decoder) duration(node *yaml.Node, v reflect.Value, key string) {
	if !d.scalar(node, v, "!!str") {
		d.must(node, key, "a duration such as 90s or 15m")
	}
}

var leadingZero = regexp.MustCompile(`^[-+]?0[0-9_]`)

func (d *decoder) integer(node *yaml.Node, v reflect.Value, key string) {
	const be = "an integer"
	switch {
	case node.Kind == yaml.ScalarNode && node.ShortTag() == "!!float":
		d.must(node, key, be+wholeNumber(node.Value))
	case node.Kind != yaml.ScalarNode || node.ShortTag() != "!!int":
		d.must(node, key, be)
	case leadingZero.MatchString(node.Value): // octal to some readers of YAML, decimal to others
		d.must(node, key, be+" without a leading zero")
	case node.Decode(v.Addr().Interface()) != nil:
		low, high := integerRange(v.Type())
		d.must(node, key, fmt.Sprintf("%s from %d to %d", be, low, high))
	}
}

// wholeNumber says how to write a float that has no fraction, such as 2e4.
func wholeNumber(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return ""
	}
	return fmt.Sprintf(": write %.0f", f)
}

func integerRange(t reflect.Type) (low, high *big.Int) {
	one := big.NewInt(1)
	switch t.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		low = new(big.Int)
		high = new(big.Int).Lsh(one, uint(t.Bits()))
	default:
		high = new(big.Int).Lsh(one, uint(t.Bits())-1)
		low = new(big.Int).Neg(high)
	}
	return low, high.Sub(high, one)
}

func (d *decoder) number(node *yaml.Node, v reflect.Value, key string) {
	if !d.scalar(node, v, "!!float") && !d.scalar(node, v, "!!int") {
		d.must(node, key, "a number")
		return
	}
	if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
		d.must(node, key, "a finite number")
	}
}

// list reads a slice. On the command line and in the environment a lone value is
// a list of one; an empty list is nil.
func (d *decoder) list(node *yaml.Node, v reflect.Value, key string) {
	items := node.Content
	if node.Kind != yaml.SequenceNode {
		if !d.setting.isText || node.Kind != yaml.ScalarNode {
			d.must(node, key, "a list: write ["+show(node)+"]")
			return
		}
		items = []*yaml.Node{node}
	}
	if len(items) == 0 {
		v.SetZero()
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		d.value(item, list.Index(i), element(key, i))
	}
	v.Set(list)
}

func (d *decoder) array(node *yaml.Node, v reflect.Value, key string) {
	if node.Kind != yaml.SequenceNode || len(node.Content) != v.Len() {
		d.must(node, key, fmt.Sprintf("a list of %d values", v.Len()))
		return
	}
	for i, item := range node.Content {
		d.value(item, v.Index(i), element(key, i))
	}
}

func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// mapping reads a struct that is part of a value, such as an entry of a list.
func (d *decoder) mapping(node *yaml.Node, v reflect.Value, key string) {
	inner := newSchema(v.Type())
	d.pairs(node, key, func(name string, at, value *yaml.Node) {
		f := inner.root.child(name)
		if f == nil {
			d.fail(at, "unknown key %q: %s", join(key, name), suggest(name, inner.keys()))
			return
		}
		d.value(value, f.in(v, true), join(key, name))
	})
}

// dictionary reads a map; an empty one is nil.
func (d *decoder) dictionary(node *yaml.Node, v reflect.Value, key string) {
	if v.Type().Key().Kind() != reflect.String {
		panic(fmt.Sprintf("configs: key %q has type %s: a map's keys must be strings", key, v.Type()))
	}
	m := reflect.MakeMap(v.Type())
	d.pairs(node, key, func(name string, _, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(value, item, join(key, name))
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	})
	if v.SetZero(); m.Len() > 0 {
		v.Set(m)
	}
}

// pairs calls f for each key of a mapping, once for each name.
func (d *decoder) pairs(node *yaml.Node, key string, f func(name string, at, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		d.must(node, key, "a mapping of keys")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		at, value := node.Content[i], node.Content[i+1]
		if err := checkKey(at, key); err != nil {
			d.fail(at, "%w", err)
			continue
		}
		if first, ok := seen[at.Value]; ok {
			d.fail(at, "duplicate key %q: first in line %d", join(key, at.Value), first)
			continue
		}
		seen[at.Value] = at.Line
		f(at.Value, at, value)
	}
}
