package grammar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mobilellm/tokenizer"
)

// fits says whether a program takes a text whole.
func fits(p *Program, text string) bool {
	m := bytesVocabulary.Grammar(p).Begin()
	return m.AcceptText([]byte(text)) == nil && m.Ends()
}

var bytesVocabulary = NewVocabulary(tokenizer.Bytes())

// What schemas take and what they do not.
func TestSchema(t *testing.T) {
	for _, c := range []struct {
		schema   string
		yes, not []string
	}{
		{`true`, []string{`null`, `1`, `"x"`, `[1, {"a": [true]}]`, "{\n  \"a\": 1,\n  \"b\": {}\n}", ` {}`}, []string{``, `nul`, `{`, `[1,]`, `01`, `1.`, "\"a\nb\"", `{"a" : 1}`, `"\x"`, `"\ud800"`}},
		{`{"type": "string"}`, []string{`""`, `"é\u00e9\ud83d\ude00😀\n\/"`}, []string{`"a`, `1`, `"\ud83d"`, "\"\xff\"", "\"\xed\xa0\x80\"", `"a" `}},
		{`{"type": "string", "minLength": 2, "maxLength": 3}`, []string{`"ab"`, `"abc"`, `"éé"`, `"\n\n\n"`, `"\ud83d\ude00x"`}, []string{`"a"`, `"abcd"`, `""`}},
		{`{"type": "string", "pattern": "^a+(b|\\d{2})?$"}`, []string{`"a"`, `"aab"`, `"a12"`}, []string{`""`, `"ab1"`, `"a1"`, `"xa"`}},
		{`{"pattern": "b"}`, []string{`"b"`, `"abc"`}, []string{`"ac"`, `""`}},
		{`{"pattern": "^a|b$"}`, []string{`"ax"`, `"xb"`, `"a"`}, []string{`"xa"`, `"bx"`}},
		{`{"pattern": "^(?i:ok) [\"\\\\]$"}`, []string{`"OK \""`, `"oK \\"`}, []string{`"OK "`, `"ok x"`}},
		{`{"pattern": "^[^a-z]{1,2}$"}`, []string{`"É"`, `"\"1"`, `"\n"`}, []string{`"a"`, `"123"`}},
		{`{"type": "string", "format": "date"}`, []string{`"2026-11-30"`}, []string{`"2026-13-30"`, `"2026-1-30"`}},
		{`{"type": "string", "format": "date-time"}`, []string{`"2026-11-30T17:00:00Z"`, `"2026-11-30T17:00:00.5+01:00"`}, []string{`"2026-11-30"`}},
		{`{"type": "string", "format": "uuid"}`, []string{`"123e4567-e89b-12d3-a456-426614174000"`}, []string{`"123e4567"`}},
		{`{"type": "integer"}`, []string{`0`, `-12`, `123456789012345678`}, []string{`01`, `1.5`, `+1`, `1234567890123456789`, `1e3`}},
		{`{"type": "number"}`, []string{`0`, `-1.25e+10`, `3E2`}, []string{`.5`, `1.`, `1e`, `NaN`}},
		{`{"type": ["boolean", "null"]}`, []string{`true`, `false`, `null`}, []string{`0`, `"true"`}},
		{`{"enum": ["a", 1, null, [1, 2], {"b": 1}]}`, []string{`"a"`, `1`, `null`, `[1,2]`, `{"b":1}`}, []string{`"b"`, `2`}},
		{`{"type": "string", "enum": ["a", 1]}`, []string{`"a"`}, []string{`1`}},
		{`{"const": "a \"b\" <c>"}`, []string{`"a \"b\" <c>"`}, []string{`"a"`}},
		{`{"type": "array", "items": {"type": "integer"}}`, []string{`[]`, `[1]`, `[1, 2,3]`, "[\n 1\n]"}, []string{`["a"]`, `[1`, `[1 ,2]`}},
		{`{"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}`, []string{`[1]`, `[1,2]`}, []string{`[]`, `[1,2,3]`}},
		{`{"minItems": 3}`, []string{`[1,"a",null]`, `[1,2,3,4]`}, []string{`[1,2]`}},
		{`{"maxItems": 0}`, []string{`[]`}, []string{`[1]`}},
		{
			`{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}`,
			[]string{`{"a":1}`, `{"a": 1, "b": "x"}`, `{"b": "x", "a": 1}`, "{\n  \"b\": \"\",\n  \"a\": 2\n}"},
			[]string{`{}`, `{"b": "x"}`, `{"a": 1, "a": 2}`, `{"a": 1, "c": 2}`, `{"a": "x"}`, `{"a": 1,}`, `{"a": 1, "b": "x", }`},
		},
		{
			`{"type": "object", "properties": {"ab": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}}`,
			[]string{`{}`, `{"ab": 1}`, `{"abc": true}`, `{"a": true, "": false, "ab": 2, "é": true}`, `{"b": true, "b": false}`},
			[]string{`{"ab": true}`, `{"x": 1}`, `{"\u0061b": true}`},
		},
		{`{"type": "object", "properties": {"a": {}}, "required": ["z"], "additionalProperties": true}`, []string{`{"z": 1}`, `{"z": [], "y": 2}`}, []string{`{}`, `{"y": 1}`}},
		{`{"type": "object"}`, []string{`{}`, `{"a": {"b": []}}`}, []string{`[]`, `{"a"}`}},
		{`{"type": "object", "properties": {"a": false, "b": true}}`, []string{`{}`, `{"b": 1}`}, []string{`{"a": 1}`}},
		{`{"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}], "title": "x"}`, []string{`1`, `"a"`}, []string{`"ab"`, `null`}},
		{
			`{"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]}, {"$ref": "#/$defs/b"}], "$defs": {"b": {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}}}`,
			[]string{`{"kind": "a", "x": 1}`, `{"x": 1, "kind": "a"}`, `{"kind": "b"}`},
			[]string{`{"kind": "b", "x": 1}`, `{"kind": "c"}`, `{"kind": "a"}`},
		},
		{`{"allOf": [{"$ref": "#/definitions/n~1~0"}], "description": "x", "definitions": {"n/~": {"type": "null"}}}`, []string{`null`}, []string{`1`}},
		{
			`{"type": "object", "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["value", "next"]}`,
			[]string{`{"value": 1, "next": null}`, `{"value": 1, "next": {"next": {"value": 3, "next": null}, "value": 2}}`},
			[]string{`{"value": 1, "next": {}}`, `{"value": 1}`},
		},
	} {
		p, err := Schema([]byte(c.schema))
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
			continue
		}
		for _, text := range c.yes {
			if !fits(p, text) {
				t.Errorf("%s does not take %s", c.schema, text)
			}
		}
		for _, text := range c.not {
			if fits(p, text) {
				t.Errorf("%s takes %s", c.schema, text)
			}
		}
	}
}

// What is no schema, or one of more than is known, and what is said of it.
func TestBadSchema(t *testing.T) {
	for schema, want := range map[string]string{
		``:                                    "schema: no JSON: EOF",
		`{"type":`:                            "schema: no JSON: unexpected EOF",
		`{} {}`:                               "schema: more than one JSON value",
		`[1]`:                                 "schema: #: a schema is an object, true or false, got [1]",
		`{"type": "text"}`:                    `schema: #: type "text" is none of object, array, string, number, integer, boolean, null`,
		`{"type": []}`:                        `schema: #: type [] is none of`,
		`{"type": "integer", "minimum": 1}`:   `schema: #: "minimum" is not supported beside type integer`,
		`{"properties": {"a": {"not": {}}}}`:  `schema: #/properties/a: "not" is not supported`,
		`{"items": {"prefixItems": []}}`:      `schema: #/items: "prefixItems" is not supported`,
		`{"type": "string", "items": {}}`:     `schema: #: "items" is not supported beside type string`,
		`{"patternProperties": {}}`:           `schema: #: "patternProperties" is not supported`,
		`{"properties": []}`:                  `schema: #: properties is no object: []`,
		`{"type": "object", "required": "a"}`: `schema: #: required is no list of names: "a"`,
		`{"properties": {"a": {}}, "required": ["b"]}`:         `schema: #: required has "b", which properties lacks, and there are no additionalProperties`,
		`{"$ref": "other.json"}`:                               `schema: #: $ref "other.json": only places within the schema`,
		`{"$ref": "#/$defs/a"}`:                                `schema: #: $ref "#/$defs/a": there is no such place`,
		`{"$ref": "#", "minLength": 1}`:                        `schema: #: "minLength" is not supported beside $ref`,
		`{"$ref": "#"}`:                                        `schema: the grammar goes round in a circle`,
		`{"anyOf": [{"$ref": "#"}, {"type": "null"}]}`:         `schema: the grammar goes round in a circle`,
		`{"anyOf": []}`:                                        `schema: #: anyOf is no list of schemas: []`,
		`{"anyOf": [{}], "type": "string"}`:                    `schema: #: "type" is not supported beside anyOf`,
		`{"allOf": [{}, {}]}`:                                  `schema: #: allOf of 2 schemas is not supported, only of one`,
		`{"oneOf": [{"type": "integer"}, {"type": "number"}]}`: `schema: #: oneOf: a value may fit both 0 and 1`,
		`{"oneOf": [{"type": "string"}, {}]}`:                  `schema: #: oneOf: a value may fit both 0 and 1`,
		`{"enum": "a"}`:                                        `schema: #: enum is no list: "a"`,
		`{"enum": [1], "minimum": 0}`:                          `schema: #: "minimum" is not supported beside enum`,
		`{"enum": []}`:                                         `schema: no value fits`,
		`{"type": "string", "enum": [1]}`:                      `schema: no value fits`,
		`false`:                                                `schema: no value fits`,
		`{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}`: `schema: no value fits`,
		`{"type": "string", "minLength": -1}`:                                       `schema: #: minLength (-1) must be a whole number from 0 on`,
		`{"type": "string", "minLength": 2.5}`:                                      `schema: #: minLength (2.5) must be a whole number from 0 on`,
		`{"type": "string", "maxLength": 1e9}`:                                      `schema: #: maxLength (1e9) must be at most 10000`,
		`{"minLength": 3, "maxLength": 2}`:                                          `schema: #: maxLength (2) is less than minLength (3)`,
		`{"pattern": "("}`:                                                          "schema: #: pattern \"(\": error parsing regexp: missing closing ): `(`",
		`{"pattern": "a(?=b)"}`:                                                     `schema: #: pattern "a(?=b)": error parsing regexp: invalid or unsupported Perl syntax`,
		`{"pattern": "a$b"}`:                                                        `schema: #: pattern "a$b"`,
		`{"pattern": "\\bx"}`:                                                       `schema: #: pattern "\\bx"`,
		`{"pattern": "a", "maxLength": 3}`:                                          `schema: #: "maxLength" is not supported beside pattern`,
		`{"type": "string", "format": "email"}`:                                     `schema: #: format "email" is not supported, only date, date-time, time, uuid`,
		`{"type": "array", "items": {"type": "string", "maxLength": 9999}, "maxItems": 9999, "uniqueItems": true}`: `schema: #: "uniqueItems" is not supported beside type array`,
	} {
		_, err := Schema([]byte(schema))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", schema, err, want)
		}
	}
}

// A schema as long as a person may write it.
func TestLargeSchema(t *testing.T) {
	var b strings.Builder
	for i := range 65 {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(`"a` + strings.Repeat("x", i) + `": {"type": "string"}`)
	}
	_, err := Schema([]byte(`{"properties": {` + b.String() + `}}`))
	if err == nil || !strings.Contains(err.Error(), "properties has 65 names, at most 64 are taken") {
		t.Error(err)
	}
	nested := strings.Repeat(`{"items": `, 300) + `{"type": "null"}` + strings.Repeat(`}`, 300)
	p, err := Schema([]byte(nested))
	if err != nil || !fits(p, strings.Repeat("[", 300)+"null"+strings.Repeat("]", 300)) {
		t.Error(err)
	}
	var big strings.Builder
	for i := range 40 {
		if i > 0 {
			big.WriteString(", ")
		}
		big.WriteString(`"p` + strings.Repeat("q", i) + `": {"type": "string", "maxLength": 10000}`)
	}
	_, err = Schema([]byte(`{"properties": {` + big.String() + `}}`))
	if err == nil || !strings.Contains(err.Error(), "too large") && !strings.Contains(err.Error(), "hint: shorter maxLength") {
		t.Error(err)
	}
}

// Schemas that are made to take long do not.
func TestHostileSchema(t *testing.T) {
	var chain strings.Builder
	chain.WriteString(`{"$ref": "#/$defs/a0", "$defs": {`)
	const n = 3000
	for i := range n {
		fmt.Fprintf(&chain, `"a%d": {"type": "array", "items": {"$ref": "#/$defs/a%d"}}, `, i, i+1)
	}
	fmt.Fprintf(&chain, `"a%d": {"type": "null"}}}`, n)
	start := time.Now()
	p, err := Schema([]byte(chain.String()))
	if err != nil || !fits(p, strings.Repeat("[", n)+"null"+strings.Repeat("]", n)) {
		t.Error(err)
	}
	p, err = Schema([]byte(`{"type": "string", "pattern": "^([a-z]*,){0,50}x[a-z]{100}$"}`))
	if err != nil {
		t.Fatal(err)
	}
	m := bytesVocabulary.Grammar(p).Begin()
	if err := m.AcceptText([]byte(`"` + strings.Repeat("x", 300))); err != nil {
		t.Error(err)
	}
	m.Mask()
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}
