package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// API is what may be called, with the JSON schema of its arguments, which is an object's.
type API struct {
	Name       string
	Parameters json.RawMessage
}

// Calls compiles what an assistant may answer in the form of the paper's appendix H.5: a
// call of one of the APIs, which may be missing unless it is required, and the reply, an
// object a line.
//
//	{"role": "PARSER", "message": "name(text = \"v\", list = [\"x\"], none = None)"}
//	{"role": "AGENT", "message": "…"}
//
// An argument that its API does not require may be None. Values that the form has no place
// for, such as objects, are an error that names API and key.
func Calls(apis []API, required bool) (*Program, error) {
	b := newBuilder()
	end := b.literal(`"}`, b.done)
	reply := b.literal(`{"role": "AGENT", "message": "`, b.repeat(b.character(inJSON), 0, -1, end))
	var to []int32
	if !required {
		to = append(to, reply)
	}
	after := b.literal(`"}`+"\n", reply)
	parser := b.add(node{kind: split})
	for _, api := range apis {
		rule, err := b.callOf(api)
		if err != nil {
			return nil, fmt.Errorf("API %s: %w", api.Name, err)
		}
		b.nodes[parser].to = append(b.nodes[parser].to, b.through(rule, after))
	}
	if len(apis) > 0 {
		to = append(to, b.literal(`{"role": "PARSER", "message": "`, parser))
	}
	return b.compile(b.oneOf(to...))
}

// callOf is the rule of a call.
func (b *builder) callOf(api API) (int32, error) {
	if api.Name == "" {
		return 0, errors.New("it has no name")
	}
	if len(api.Parameters) == 0 {
		return 0, errors.New("it has no schema (parameters)")
	}
	c := compiler{b: b, rules: map[string]int32{}}
	d := json.NewDecoder(strings.NewReader(string(api.Parameters)))
	d.UseNumber()
	if err := d.Decode(&c.root); err != nil {
		return 0, fmt.Errorf("parameters are no JSON: %w", err)
	}
	s := c.known(c.root)
	s.path = "#"
	if names, err := s.types(); err != nil || s.keys == nil || len(names) > 0 && !slices.Equal(names, []string{"object"}) {
		return 0, fmt.Errorf("parameters: %s is no schema of an object", short(c.root))
	}
	if err := s.only("an API's type object", "type", "properties", "required", "additionalProperties"); err != nil {
		return 0, err
	}
	if more, ok := s.keys["additionalProperties"]; ok && more != false {
		return 0, s.wrong("additionalProperties (%s) are not supported in a call", short(more))
	}
	properties, _ := s.keys["properties"].(map[string]any)
	required, err := s.required()
	if err != nil {
		return 0, err
	}
	for _, name := range required {
		if _, ok := properties[name]; !ok {
			return 0, s.wrong("required has %q, which properties lacks", name)
		}
	}
	names := slices.Sorted(maps.Keys(properties))
	if len(names) > maxMembers {
		return 0, s.wrong("properties has %d names, at most %d are taken", len(names), maxMembers)
	}
	var members []member
	var bits uint64
	for i, name := range names {
		value, err := c.argument(properties[name], "#/properties/"+escapePointer(name))
		if err != nil {
			return 0, err
		}
		if slices.Contains(required, name) {
			bits |= 1 << i
		} else {
			value = b.oneOf(b.literal("None", b.done), b.through(value, b.done))
		}
		members = append(members, member{b.literal(quoted(name, inJSON)+" = ", b.through(value, b.done))})
	}
	return b.object(members, bits, none, brackets{open: quoted(api.Name, inJSON) + "(", end: ")", comma: ", "}), nil
}

// argument is the rule of an argument's value.
func (c *compiler) argument(v any, path string) (int32, error) {
	b := c.b
	s := c.known(v)
	s.path = path
	if v == true {
		s.keys = map[string]any{}
	}
	if s.keys == nil {
		return 0, fmt.Errorf("%s: a schema is an object or true, got %s", path, short(v))
	}
	if s.has("anyOf") != "" {
		list, err := s.list("anyOf")
		if err == nil {
			err = s.only("anyOf", "anyOf")
		}
		if err != nil {
			return 0, err
		}
		var to []int32
		for i, v := range list {
			rule, err := c.argument(v, fmt.Sprintf("%s/anyOf/%d", path, i))
			if err != nil {
				return 0, err
			}
			to = append(to, b.through(rule, b.done))
		}
		return b.oneOf(to...), nil
	}
	if key := s.has("const", "enum"); key != "" {
		return c.argumentOf(s, key)
	}
	names, err := s.types()
	if err != nil {
		return 0, err
	}
	if len(names) == 0 && s.has("items", "minItems", "maxItems") != "" {
		names = []string{"array"}
	}
	if len(names) == 0 && s.has("pattern", "format", "minLength", "maxLength") != "" {
		names = []string{"string"}
	}
	keys := []string{"type"}
	for _, name := range names {
		keys = append(keys, keysOf[name]...)
	}
	if err := s.only("type "+strings.Join(names, ", "), keys...); err != nil {
		return 0, err
	}
	if len(names) == 0 { // any value that a call can have, a list of strings among them
		names = []string{"string", "number", "boolean", "null", "array"}
		s.keys = map[string]any{"items": map[string]any{"type": "string"}}
	}
	var to []int32
	for _, name := range names {
		at, err := c.argumentType(s, name)
		if err != nil {
			return 0, err
		}
		to = append(to, at)
	}
	return b.oneOf(to...), nil
}

// argumentOf are the values of enum or const.
func (c *compiler) argumentOf(s schemaKeys, key string) (int32, error) {
	if err := s.only(key, key, "type"); err != nil {
		return 0, err
	}
	values, names, err := s.values(key)
	if err != nil {
		return 0, err
	}
	var to []int32
	for _, v := range values {
		if !slices.ContainsFunc(names, func(name string) bool { return isOf(v, name) }) {
			continue
		}
		text, ok := python(v)
		if !ok {
			return 0, s.wrong("%s: %s has no place in a call", key, short(v))
		}
		to = append(to, c.b.literal(text, c.b.done))
	}
	return c.b.oneOf(to...), nil
}

// python is a value as it stands in a call, which itself stands in a string of JSON.
func python(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "None", true
	case bool:
		return map[bool]string{true: "True", false: "False"}[v], true
	case json.Number:
		return v.String(), true
	case string:
		return `\"` + quoted(v, inCall) + `\"`, true
	}
	return "", false
}

// argumentType are the values of a type.
func (c *compiler) argumentType(s schemaKeys, name string) (int32, error) {
	b := c.b
	switch name {
	case "string":
		quote := `\"`
		end := b.literal(quote, b.done)
		pattern, err := s.pattern()
		if err != nil {
			return 0, err
		}
		if pattern != "" {
			at, err := b.pattern(pattern, inCall, end)
			if err != nil {
				return 0, s.wrong("pattern %q: %v", pattern, err)
			}
			return b.literal(quote, at), nil
		}
		least, most, err := s.counts("minLength", "maxLength")
		return b.literal(quote, b.repeat(b.character(inCall), least, most, end)), err
	case "number":
		return b.number(), nil
	case "integer":
		return b.integer(b.done), nil
	case "boolean":
		return b.oneOf(b.literal("True", b.done), b.literal("False", b.done)), nil
	case "null":
		return b.literal("None", b.done), nil
	case "array":
		least, most, err := s.counts("minItems", "maxItems")
		if err != nil {
			return 0, err
		}
		items, ok := s.keys["items"]
		if !ok {
			items = map[string]any{"type": "string"}
		}
		item, err := c.argument(items, s.path+"/items")
		if err != nil {
			return 0, err
		}
		return b.row(item, least, most), nil
	}
	return 0, s.wrong("type %s has no place in a call", name)
}

// row is an array as a call has it.
func (b *builder) row(item int32, least, most int) int32 {
	end := b.literal("]", b.done)
	if most == 0 {
		return b.literal("[", end)
	}
	further := -1
	if most > 0 {
		further = most - 1
	}
	at := b.through(item, b.repeat(b.literal(", ", b.through(item, b.done)), max(least-1, 0), further, end))
	if least == 0 {
		at = b.oneOf(at, end)
	}
	return b.literal("[", at)
}

// Tools compiles what a model may answer that has tools, whose schemas are of JSON: text
// and calls, each between begin and end.
//
//	begin{"name": "f", "arguments": {…}}end
//
// Text may stand before the first call and has no begin in it; it may be all where call is
// not required. Where begin is empty a call is all that there is, or text that does not
// begin with a brace. Calls beyond the first, each on a line, are taken where several is set.
func Tools(tools []API, begin, end string, required, several bool) (*Program, error) {
	b := newBuilder()
	choice := b.add(node{kind: split})
	call := b.literal(begin+`{"name": `, choice)
	again := []int32{b.done}
	if several && begin != "" {
		again = append(again, b.span('\n', '\n', call))
	}
	after := b.literal("}"+end, b.oneOf(again...))
	for _, tool := range tools {
		schema := tool.Parameters
		if len(schema) == 0 {
			schema = json.RawMessage(`{"type": "object", "properties": {}, "additionalProperties": false}`)
		}
		rule, err := b.schema(schema)
		if err != nil {
			return nil, fmt.Errorf("tool %s: %w", tool.Name, err)
		}
		b.nodes[choice].to = append(b.nodes[choice].to, b.literal(written(tool.Name)+`, "arguments": `, b.through(rule, after)))
	}
	start := call
	switch {
	case required:
	case begin == "":
		start = b.oneOf(call, b.withoutBrace())
	default:
		start = b.textBefore(begin, call)
	}
	return b.compile(start)
}

// withoutBrace is a text that does not begin with a brace; it may be empty.
func (b *builder) withoutBrace() int32 {
	rest := b.repeat(b.add(node{kind: split, to: b.utf8(0, utf8.MaxRune, b.done)}), 0, -1, b.done)
	to := []int32{b.done}
	for _, r := range [][2]rune{{0, '{' - 1}, {'{' + 1, utf8.MaxRune}} {
		to = append(to, b.utf8(r[0], r[1], rest)...)
	}
	return b.oneOf(to...)
}

// textBefore is a text without a word in it, which may end anywhere, or where the word
// stands go on with call, which begins with it. The word's first byte, which is ASCII,
// stands in it but once.
func (b *builder) textBefore(word string, call int32) int32 {
	first := rune(word[0])
	places := make([]int32, len(word)) // i bytes of the word stand before
	for i := range places {
		places[i] = b.add(node{kind: split})
	}
	for i := range places {
		to := []int32{b.done, call}
		cut := []rune{first}
		if i > 0 && rune(word[i]) != first {
			cut = append(cut, rune(word[i]))
		}
		slices.Sort(cut)
		lo := rune(0)
		for _, r := range cut {
			to = append(to, b.utf8(lo, r-1, places[0])...)
			lo = r + 1
		}
		to = append(to, b.utf8(lo, utf8.MaxRune, places[0])...)
		if len(word) > 1 {
			to = append(to, b.span(word[0], word[0], places[1]))
		}
		if i > 0 && i+1 < len(word) {
			to = append(to, b.span(word[i], word[i], places[i+1]))
		}
		b.nodes[places[i]].to = to
	}
	return places[0]
}
