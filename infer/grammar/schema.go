package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Schema compiles a JSON schema (draft 2020-12) to the JSON that fits it:
//
//	type, enum, const, anyOf, oneOf, allOf of one, $ref within the schema, $defs
//	object: properties, required, additionalProperties
//	array:  items, minItems, maxItems
//	string: pattern, format (date, time, date-time, uuid), minLength, maxLength
//
// Any other key that says what fits is an error that names it and its place; titles and the
// like are passed over. What is made is in places less than what fits: an object with
// properties has others only where additionalProperties says so, oneOf wants alternatives
// of which no value fits two, and numbers have up to 18 digits. Members come in any order,
// blanks as JSON is mostly written: none, one, or a line feed with an indent.
func Schema(raw []byte) (*Program, error) {
	b := newBuilder()
	rule, err := b.schema(raw)
	if err != nil {
		return nil, err
	}
	p, err := b.compile(b.through(rule, b.done))
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return p, nil
}

// Object is any JSON object.
func Object() *Program {
	p, err := Schema([]byte(`{"type": "object"}`))
	if err != nil {
		panic("grammar: " + err.Error())
	}
	return p
}

// schema is the rule of a schema.
func (b *builder) schema(raw []byte) (int32, error) {
	c := compiler{b: b, rules: map[string]int32{}}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&c.root); err != nil {
		return 0, fmt.Errorf("schema: no JSON: %w", err)
	}
	if _, err := d.Token(); err == nil {
		return 0, errors.New("schema: more than one JSON value")
	}
	rule, err := c.at(c.root, "#")
	if err != nil {
		return 0, fmt.Errorf("schema: %w", err)
	}
	return rule, nil
}

// compiler makes rules of a schema's parts.
type compiler struct {
	b     *builder
	root  any
	rules map[string]int32 // by the place in the schema
}

// notes are the keys that say nothing of what fits.
var notes = []string{
	"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
	"$schema", "$id", "$comment", "$anchor", "$defs", "definitions",
}

// keysOf are those that each type knows.
var keysOf = map[string][]string{
	"object":  {"properties", "required", "additionalProperties"},
	"array":   {"items", "minItems", "maxItems"},
	"string":  {"pattern", "format", "minLength", "maxLength"},
	"number":  nil,
	"integer": nil,
	"boolean": nil,
	"null":    nil,
}

var types = []string{"object", "array", "string", "number", "integer", "boolean", "null"}

// schemaKeys are an object of a schema, with its place.
type schemaKeys struct {
	keys map[string]any
	path string
}

func (s schemaKeys) wrong(format string, args ...any) error {
	return fmt.Errorf("%s: %s", s.path, fmt.Sprintf(format, args...))
}

// only refuses keys other than some and notes.
func (s schemaKeys) only(with string, keys ...string) error {
	for _, key := range slices.Sorted(maps.Keys(s.keys)) {
		if !slices.Contains(notes, key) && !slices.Contains(keys, key) {
			if with != "" {
				with = " beside " + with
			}
			return s.wrong("%q is not supported%s", key, with)
		}
	}
	return nil
}

func (s schemaKeys) has(keys ...string) string {
	for _, key := range keys {
		if _, ok := s.keys[key]; ok {
			return key
		}
	}
	return ""
}

// at is the rule of the schema at a place, compiled once.
func (c *compiler) at(v any, path string) (int32, error) {
	if rule, ok := c.rules[path]; ok {
		return rule, nil
	}
	rule := c.b.add(node{kind: split}) // what the rule is comes below
	c.rules[path] = rule
	if len(c.b.nodes) > maxNodes {
		return 0, fmt.Errorf("%s: the schema is too large", path)
	}
	entry, err := c.entry(v, path)
	if err != nil {
		return 0, err
	}
	c.b.nodes[rule].to = entry
	return rule, nil
}

// entry are the nodes at which the values of a schema begin; a ret node ends them.
func (c *compiler) entry(v any, path string) ([]int32, error) {
	s := schemaKeys{path: path}
	switch v := v.(type) {
	case bool:
		if !v {
			return nil, nil
		}
		return []int32{c.b.through(c.b.anything(), c.b.done)}, nil
	case map[string]any:
		s.keys = v
	default:
		return nil, s.wrong("a schema is an object, true or false, got %s", short(v))
	}
	switch {
	case s.has("$ref") != "":
		return c.reference(s)
	case s.has("allOf") != "":
		return c.allOf(s)
	case s.has("anyOf") != "":
		return c.anyOf(s, "anyOf")
	case s.has("oneOf") != "":
		return c.anyOf(s, "oneOf")
	case s.has("enum", "const") != "":
		return c.enum(s)
	}
	return c.typed(s)
}

func short(v any) string {
	raw, _ := json.Marshal(v) // came from JSON
	return fmt.Sprintf("%.40s", raw)
}

// reference is a $ref to another place in the schema.
func (c *compiler) reference(s schemaKeys) ([]int32, error) {
	if err := s.only("$ref", "$ref"); err != nil {
		return nil, err
	}
	ref, ok := s.keys["$ref"].(string)
	if !ok || ref != "#" && !strings.HasPrefix(ref, "#/") {
		return nil, s.wrong("$ref %s: only places within the schema, as #/$defs/name, are known", short(s.keys["$ref"]))
	}
	at, path := c.root, "#"
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#"), "/") {
		if part == "" {
			continue
		}
		name, err := url.PathUnescape(part)
		if err != nil {
			return nil, s.wrong("$ref %q: %v", ref, err)
		}
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch v := at.(type) {
		case map[string]any:
			at, ok = v[name]
		case []any:
			var i int
			if i, err = strconv.Atoi(name); err != nil || i < 0 || i >= len(v) {
				ok = false
			} else {
				at = v[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, s.wrong("$ref %q: there is no such place", ref)
		}
		path += "/" + escapePointer(name)
	}
	rule, err := c.at(at, path)
	return []int32{c.b.through(rule, c.b.done)}, err
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// list is a key that holds schemas.
func (s schemaKeys) list(key string) ([]any, error) {
	list, ok := s.keys[key].([]any)
	if !ok || len(list) == 0 {
		return nil, s.wrong("%s is no list of schemas: %s", key, short(s.keys[key]))
	}
	return list, nil
}

// allOf of one schema is how some programs write a $ref with a description.
func (c *compiler) allOf(s schemaKeys) ([]int32, error) {
	list, err := s.list("allOf")
	if err == nil {
		err = s.only("allOf", "allOf")
	}
	if err == nil && len(list) > 1 {
		err = s.wrong("allOf of %d schemas is not supported, only of one", len(list))
	}
	if err != nil {
		return nil, err
	}
	rule, err := c.at(list[0], s.path+"/allOf/0")
	return []int32{c.b.through(rule, c.b.done)}, err
}

func (c *compiler) anyOf(s schemaKeys, key string) ([]int32, error) {
	list, err := s.list(key)
	if err == nil {
		err = s.only(key, key)
	}
	if err != nil {
		return nil, err
	}
	if key == "oneOf" {
		for i := range list {
			for j := range i {
				if !c.apart(list[j], list[i], 0) {
					return nil, s.wrong("oneOf: a value may fit both %d and %d; anyOf takes such alternatives", j, i)
				}
			}
		}
	}
	var to []int32
	for i, v := range list {
		rule, err := c.at(v, fmt.Sprintf("%s/%s/%d", s.path, key, i))
		if err != nil {
			return nil, err
		}
		to = append(to, c.b.through(rule, c.b.done))
	}
	return to, nil
}

// enum are the values of enum or const, of the type where one is given.
func (c *compiler) enum(s schemaKeys) ([]int32, error) {
	key := s.has("const", "enum")
	if err := s.only(key, key, "type"); err != nil {
		return nil, err
	}
	values, names, err := s.values(key)
	if err != nil {
		return nil, err
	}
	var to []int32
	for _, v := range values {
		if slices.ContainsFunc(names, func(name string) bool { return isOf(v, name) }) {
			to = append(to, c.b.literal(written(v), c.b.done))
		}
	}
	return to, nil
}

func (s schemaKeys) values(key string) (values []any, names []string, err error) {
	if names, err = s.types(); err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		names = types
	}
	if key == "const" {
		return []any{s.keys[key]}, names, nil
	}
	values, ok := s.keys[key].([]any)
	if !ok {
		return nil, nil, s.wrong("enum is no list: %s", short(s.keys[key]))
	}
	return values, names, nil
}

// written is a value as JSON, without blanks.
func written(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // came from JSON
	return strings.TrimSuffix(out.String(), "\n")
}

// isOf says whether a value is of a type.
func isOf(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	case json.Number:
		f, err := v.Float64()
		return name == "number" || name == "integer" && err == nil && f == float64(int64(f))
	}
	return false
}

// types are those that the schema names; none where it names none.
func (s schemaKeys) types() ([]string, error) {
	var names []string
	switch v := s.keys["type"].(type) {
	case nil:
		if _, ok := s.keys["type"]; !ok {
			return nil, nil
		}
	case string:
		names = []string{v}
	case []any:
		for _, x := range v {
			name, _ := x.(string)
			names = append(names, name)
		}
	}
	for _, name := range names {
		if !slices.Contains(types, name) {
			return nil, s.wrong("type %s is none of %s", short(s.keys["type"]), strings.Join(types, ", "))
		}
	}
	if len(names) == 0 {
		return nil, s.wrong("type %s is none of %s", short(s.keys["type"]), strings.Join(types, ", "))
	}
	return names, nil
}

// typed are values by their types.
func (c *compiler) typed(s schemaKeys) ([]int32, error) {
	names, err := s.types()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 { // by the keys that are there
		for _, name := range types {
			if s.has(keysOf[name]...) != "" {
				names = append(names, name)
			}
		}
	}
	keys, with := []string{"type"}, strings.Join(names, ", ")
	for _, name := range names {
		keys = append(keys, keysOf[name]...)
	}
	if with != "" {
		with = "type " + with
	}
	if err := s.only(with, keys...); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return []int32{c.b.through(c.b.anything(), c.b.done)}, nil
	}
	var to []int32
	for _, name := range names {
		var at int32
		var err error
		switch name {
		case "object":
			at, err = c.object(s)
		case "array":
			at, err = c.array(s)
		case "string":
			at, err = c.string(s)
		case "number":
			at = c.b.number()
		case "integer":
			at = c.b.integer(c.b.done)
		case "boolean":
			at = c.b.oneOf(c.b.literal("true", c.b.done), c.b.literal("false", c.b.done))
		case "null":
			at = c.b.literal("null", c.b.done)
		}
		if err != nil {
			return nil, err
		}
		to = append(to, at)
	}
	return to, nil
}

// count is a key that is a whole number from 0 on; otherwise without it.
func (s schemaKeys) count(key string, otherwise int) (int, error) {
	v, ok := s.keys[key]
	if !ok {
		return otherwise, nil
	}
	n, _ := v.(json.Number)
	f, err := n.Float64()
	if err != nil || f < 0 || f != float64(int(f)) {
		return 0, s.wrong("%s (%s) must be a whole number from 0 on", key, short(v))
	}
	if f > maxRepeat {
		return 0, s.wrong("%s (%s) must be at most %d", key, short(v), maxRepeat)
	}
	return int(f), nil
}

// maxRepeat bounds lengths of strings and arrays.
const maxRepeat = 10_000

// counts are a least and a most.
func (s schemaKeys) counts(least, most string) (from, to int, err error) {
	if from, err = s.count(least, 0); err != nil {
		return 0, 0, err
	}
	if to, err = s.count(most, -1); err != nil {
		return 0, 0, err
	}
	if to >= 0 && to < from {
		return 0, 0, s.wrong("%s (%d) is less than %s (%d)", most, to, least, from)
	}
	return from, to, nil
}

func (c *compiler) array(s schemaKeys) (int32, error) {
	least, most, err := s.counts("minItems", "maxItems")
	if err != nil {
		return 0, err
	}
	item := c.b.anything()
	if v, ok := s.keys["items"]; ok {
		if item, err = c.at(v, s.path+"/items"); err != nil {
			return 0, err
		}
	}
	return c.b.list(item, least, most, c.b.done), nil
}

// list is an array of items of a rule.
func (b *builder) list(item int32, least, most int, next int32) int32 {
	end := b.spaced(b.span(']', ']', next))
	another := b.span(',', ',', b.spaced(b.through(item, b.done)))
	at := end
	if most != 0 {
		further := -1
		if most > 0 {
			further = most - 1
		}
		at = b.through(item, b.repeat(another, max(least-1, 0), further, end))
		if least == 0 {
			at = b.oneOf(at, b.span(']', ']', next))
		}
	}
	return b.span('[', '[', b.spaced(at))
}

// digits bounds those of a number's parts, so that none goes on without end.
const digits = 18

// integer is a whole number.
func (b *builder) integer(next int32) int32 {
	at := next
	digit := b.span('0', '9', b.done)
	at = b.oneOf(b.span('0', '0', at), b.span('1', '9', b.repeat(digit, 0, digits-1, at)))
	return b.oneOf(at, b.span('-', '-', at))
}

// number is any number of JSON.
func (b *builder) number() int32 {
	digit := b.span('0', '9', b.done)
	power := b.repeat(digit, 1, 3, b.done)
	exponent := b.oneOf(b.done, b.bytesOf("eE", b.oneOf(power, b.bytesOf("+-", power))))
	return b.integer(b.oneOf(exponent, b.span('.', '.', b.repeat(digit, 1, digits, exponent))))
}

func (c *compiler) string(s schemaKeys) (int32, error) {
	b := c.b
	end := b.span('"', '"', b.done)
	pattern, err := s.pattern()
	if err != nil {
		return 0, err
	}
	if pattern != "" {
		at, err := b.pattern(pattern, inJSON, end)
		if err != nil {
			return 0, s.wrong("pattern %q: %v", pattern, err)
		}
		return b.span('"', '"', at), nil
	}
	least, most, err := s.counts("minLength", "maxLength")
	if err != nil {
		return 0, err
	}
	return b.span('"', '"', b.repeat(b.character(inJSON), least, most, end)), nil
}

// formats are those of strings, as patterns.
var formats = map[string]string{
	"date":      `^` + date + `$`,
	"time":      `^` + clock + `$`,
	"date-time": `^` + date + `T` + clock + `$`,
	"uuid":      `^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`,
}

const (
	date  = `[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])`
	clock = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`
)

// pattern is that of the string, or of its format; empty for none.
func (s schemaKeys) pattern() (string, error) {
	key := s.has("pattern", "format")
	if key == "" {
		return "", nil
	}
	for _, other := range []string{"format", "minLength", "maxLength"} {
		if s.has(other) != "" && other != key {
			return "", s.wrong("%q is not supported beside %s", other, key)
		}
	}
	text, ok := s.keys[key].(string)
	if !ok {
		return "", s.wrong("%s is no string: %s", key, short(s.keys[key]))
	}
	if key == "pattern" {
		return text, nil
	}
	pattern, ok := formats[text]
	if !ok {
		return "", s.wrong("format %q is not supported, only %s", text, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	return pattern, nil
}

// anything is the rule of any JSON value.
func (b *builder) anything() int32 {
	if b.any != none {
		return b.any
	}
	b.any = b.add(node{kind: split})
	end := b.span('"', '"', b.done)
	text := b.span('"', '"', b.repeat(b.character(inJSON), 0, -1, end))
	key := b.through(b.add(node{kind: split, to: []int32{text}}), b.span(':', ':', b.spaced(b.through(b.any, b.done))))
	o := b.object(nil, 0, key, braces)
	b.nodes[b.any].to = []int32{
		o, b.list(b.any, 0, -1, b.done), text, b.number(),
		b.literal("true", b.done), b.literal("false", b.done), b.literal("null", b.done),
	}
	return b.any
}
