package grammar

import (
	"maps"
	"slices"
	"strings"
)

// maxMembers is how many have a bit.
const maxMembers = 64

// brackets are how the members of an object are written.
type brackets struct {
	open, end, comma string
	blanks           bool // of JSON may stand behind open and comma, and before end
}

var braces = brackets{open: "{", end: "}", comma: ",", blanks: true}

// object is one of members in any order, each at most once.
func (b *builder) object(members []member, required uint64, additional int32, how brackets) int32 {
	spaced := b.spaced
	if !how.blanks {
		spaced = func(next int32) int32 { return next }
	}
	number := int32(len(b.objects))
	b.objects = append(b.objects, object{members: members, required: required, additional: additional})
	first := b.add(node{kind: opened, object: number})
	after := b.add(node{kind: more, object: number})
	choose := b.add(node{kind: pick, object: number})
	o := &b.objects[number]
	o.after, o.end, o.comma = after, spaced(b.literal(how.end, b.done)), b.literal(how.comma, spaced(choose))
	return b.literal(how.open, spaced(first))
}

// object is that of a schema.
func (c *compiler) object(s schemaKeys) (int32, error) {
	b := c.b
	properties, _ := s.keys["properties"].(map[string]any)
	if _, there := s.keys["properties"]; there && properties == nil {
		return 0, s.wrong("properties is no object: %s", short(s.keys["properties"]))
	}
	required, err := s.required()
	if err != nil {
		return 0, err
	}
	names := slices.Sorted(maps.Keys(properties))
	additional := s.keys["additionalProperties"]
	if additional == nil {
		additional = len(properties) == 0
	}
	for _, name := range required {
		if _, ok := properties[name]; ok {
			continue
		}
		if additional == false {
			return 0, s.wrong("required has %q, which properties lacks, and there are no additionalProperties", name)
		}
		names = append(names, name)
	}
	if len(names) > maxMembers {
		return 0, s.wrong("properties has %d names, at most %d are taken", len(names), maxMembers)
	}
	other := int32(none)
	if additional != false {
		if other, err = c.at(additional, s.path+"/additionalProperties"); err != nil {
			return 0, err
		}
	}
	var members []member
	var bits uint64
	for i, name := range names {
		value := other
		if v, ok := properties[name]; ok {
			if value, err = c.at(v, s.path+"/properties/"+escapePointer(name)); err != nil {
				return 0, err
			}
		}
		members = append(members, member{b.literal(written(name)+":", b.spaced(b.through(value, b.done)))})
		if slices.Contains(required, name) {
			bits |= 1 << i
		}
	}
	if other != none {
		other = b.otherName(names, b.span(':', ':', b.spaced(b.through(other, b.done))))
	}
	return b.object(members, bits, other, braces), nil
}

// required are the names of a schema's required.
func (s schemaKeys) required() ([]string, error) {
	v, ok := s.keys["required"]
	if !ok {
		return nil, nil
	}
	list, ok := v.([]any)
	var names []string
	for _, x := range list {
		name, is := x.(string)
		ok = ok && is
		names = append(names, name)
	}
	if !ok {
		return nil, s.wrong("required is no list of names: %s", short(v))
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// otherName is a name in quotes that is none of some. It has no escapes, by which one of
// them could be written otherwise.
func (b *builder) otherName(names []string, next int32) int32 {
	plain := [][2]rune{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, '\U0010ffff'}}
	var one []int32
	for _, r := range plain {
		one = append(one, b.utf8(r[0], r[1], b.done)...)
	}
	rule := b.add(node{kind: split, to: one})
	end := b.span('"', '"', next)
	rest := b.repeat(rule, 0, -1, end)
	// A walk through the tree of the names' characters, which may leave it anywhere and end
	// anywhere but at a name.
	var tree func(names []string) int32
	tree = func(names []string) int32 {
		var to []int32
		if !slices.Contains(names, "") {
			to = append(to, end)
		}
		under := map[rune][]string{}
		for _, name := range names {
			for i, r := range name {
				if i == 0 {
					under[r] = append(under[r], name[len(string(r)):])
				}
			}
		}
		firsts := slices.Sorted(maps.Keys(under))
		for _, r := range firsts {
			if quoted(string(r), inJSON) == string(r) {
				to = append(to, b.utf8(r, r, tree(under[r]))...)
			}
		}
		for _, r := range plain {
			lo := r[0]
			for _, first := range firsts {
				if first >= lo && first <= r[1] {
					to = append(to, b.utf8(lo, first-1, rest)...)
					lo = first + 1
				}
			}
			to = append(to, b.utf8(lo, r[1], rest)...)
		}
		return b.add(node{kind: split, to: to})
	}
	return b.span('"', '"', tree(names))
}

// apart says whether it is sure that no value fits two schemas: they are of other types,
// have other values, or are objects with a member of theirs that is apart.
func (c *compiler) apart(a, b any, depth int) bool {
	x, y := c.known(a), c.known(b)
	if x.keys == nil || y.keys == nil || depth > 3 {
		return false
	}
	tx, vx := x.what()
	ty, vy := y.what()
	if vx != nil && vy != nil {
		return !slices.ContainsFunc(vx, func(v any) bool {
			return slices.ContainsFunc(vy, func(w any) bool { return written(v) == written(w) || isOf(v, "number") && isOf(w, "number") })
		})
	}
	if len(tx) == 0 || len(ty) == 0 {
		return false
	}
	both := false
	for _, t := range tx {
		both = both || slices.Contains(ty, t) || t == "integer" && slices.Contains(ty, "number") || t == "number" && slices.Contains(ty, "integer")
	}
	if !both {
		return true
	}
	if strings.Join(tx, "") != "object" || strings.Join(ty, "") != "object" {
		return false
	}
	px, _ := x.keys["properties"].(map[string]any)
	py, _ := y.keys["properties"].(map[string]any)
	rx, _ := x.required()
	ry, _ := y.required()
	for name, v := range px {
		if w, ok := py[name]; ok && slices.Contains(rx, name) && slices.Contains(ry, name) && c.apart(v, w, depth+1) {
			return true
		}
	}
	return false
}

// known follows references to the schema that says what fits.
func (c *compiler) known(v any) schemaKeys {
	for range 8 {
		keys, _ := v.(map[string]any)
		ref, ok := keys["$ref"].(string)
		if !ok {
			return schemaKeys{keys: keys}
		}
		at := c.root
		for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
			if part != "" {
				inner, _ := at.(map[string]any)
				at = inner[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
			}
		}
		v = at
	}
	return schemaKeys{}
}

// what are the types of a schema's values, and the values where it lists them.
func (s schemaKeys) what() (names []string, values []any) {
	names, _ = s.types()
	if key := s.has("const", "enum"); key != "" {
		values, _, _ = s.values(key)
		names = nil
		for _, v := range values {
			for _, name := range types {
				if isOf(v, name) && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		return names, values
	}
	for _, name := range types {
		if len(names) == 0 && s.has(keysOf[name]...) != "" {
			names = []string{name}
		}
	}
	return names, nil
}
