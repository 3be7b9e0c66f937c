package grammar

import (
	"strings"
	"testing"
)

const travel = `{"type": "object", "properties": {
	"city": {"type": "string"}, "price": {"enum": ["low", "high"]}, "days": {"type": "integer"},
	"tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2}, "open": {"type": "boolean"}
}, "required": ["city"], "additionalProperties": false}`

func TestCalls(t *testing.T) {
	p, err := Calls([]API{{"find", []byte(travel)}, {"now", []byte(`{"type": "object"}`)}, {"math.add", []byte(`{"properties": {"x": {"anyOf": [{"type": "number"}, {"type": "null"}]}}, "required": ["x"]}`)}}, false)
	if err != nil {
		t.Fatal(err)
	}
	const reply = `{"role": "AGENT", "message": "It is \"there\"."}`
	call := func(text string) string {
		return `{"role": "PARSER", "message": "` + text + "\"}\n" + reply
	}
	for _, text := range []string{
		reply,
		call(`find(city = \"San Jose\")`),
		call(`find(price = \"low\", city = \"é \\\"x\\\" \\\\ y\\nz\")`),
		call(`find(city = \"\", days = -3, tags = [], open = True)`),
		call(`find(city = \"a\", tags = [\"sms\", \"x\"], price = None)`),
		call(`now()`),
		call(`math.add(x = 1.5e3)`),
		call(`math.add(x = None)`),
		" " + call(`now()`),
	} {
		if !fits(p, text) {
			t.Errorf("does not take %s", text)
		}
	}
	for _, text := range []string{
		"", "Sure.", `{"role": "PARSER", "message": "now()"}`, `{"role": "USER", "message": "now()"}`,
		call(`find()`), call(`find(city = None)`), call(`find(city = \"a\", city = \"b\")`), call(`find(city = "a")`),
		call(`find(city = \"a\", price = \"dear\")`), call(`find(city = \"a\", days = \"3\")`), call(`find(city = \"a\", tags = [\"a\", \"b\", \"c\"])`),
		call(`find(city = \"a\", town = \"b\")`), call(`search(city = \"a\")`), call(`find(city = \"a\",)`), call(`math.add(x = True)`), call(`now(`),
	} {
		if fits(p, text) {
			t.Errorf("takes %s", text)
		}
	}
	if p, err = Calls([]API{{"now", []byte(`{"type": "object"}`)}}, true); err != nil || fits(p, reply) || !fits(p, call(`now()`)) {
		t.Errorf("required: %v", err)
	}
	if _, err = Calls(nil, true); err == nil {
		t.Error("a call is required where there are no APIs")
	}
	if p, err = Calls(nil, false); err != nil || !fits(p, reply) || fits(p, call(`now()`)) {
		t.Errorf("without APIs: %v", err)
	}
}

func TestBadCalls(t *testing.T) {
	for _, c := range []struct{ parameters, want string }{
		{``, "API f: it has no schema (parameters)"},
		{`{"type"`, "API f: parameters are no JSON"},
		{`[]`, "API f: parameters: [] is no schema of an object"},
		{`{"type": "string"}`, `API f: parameters: {"type":"string"} is no schema of an object`},
		{`{"type": "object", "additionalProperties": true}`, "API f: #: additionalProperties (true) are not supported in a call"},
		{`{"type": "object", "minProperties": 1}`, `API f: #: "minProperties" is not supported beside an API's type object`},
		{`{"properties": {"a": {"type": "object"}}}`, "API f: #/properties/a: type object has no place in a call"},
		{`{"properties": {"a": {"enum": [[1]]}}}`, "API f: #/properties/a: enum: [1] has no place in a call"},
		{`{"properties": {"a": {"type": "integer", "maximum": 3}}}`, `API f: #/properties/a: "maximum" is not supported beside type integer`},
		{`{"properties": {"a": 3}}`, "API f: #/properties/a: a schema is an object or true, got 3"},
		{`{"properties": {}, "required": ["a"]}`, `API f: #: required has "a", which properties lacks`},
	} {
		_, err := Calls([]API{{"f", []byte(c.parameters)}}, false)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.parameters, err, c.want)
		}
	}
}

func TestTools(t *testing.T) {
	tools := []API{{"find", []byte(`{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`)}, {Name: "now"}}
	const begin, end = "<tool_call>\n", "\n</tool_call>"
	const a, b = begin + `{"name": "find", "arguments": {"city": "x"}}` + end, begin + `{"name": "now", "arguments": {}}` + end
	for _, c := range []struct {
		name, begin       string
		required, several bool
		yes, not          []string
	}{
		{"auto", begin, false, true, []string{"", "Hello <b> é.", a, "Let me see. " + a, a + "\n" + b, "<" + b, "<tool_call <tool" + b}, []string{
			begin, begin + `{"name": "other", "arguments": {}}` + end, a + a, a + "!", "see " + begin + "x",
		}},
		{"one", begin, false, false, []string{a, ""}, []string{a + "\n" + b}},
		{"required", begin, true, true, []string{a, a + "\n" + b}, []string{"", "Hello", "Let me see. " + a}},
		{"bare", "", false, false, []string{"Hello {", "", `{"name": "now", "arguments": {}}`}, []string{`{`, `{"name": "now"}`}},
		{"bare and required", "", true, false, []string{`{"name": "now", "arguments": {}}`}, []string{"Hello", ""}},
	} {
		last := end
		if c.begin == "" {
			last = ""
		}
		p, err := Tools(tools, c.begin, last, c.required, c.several)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range c.yes {
			if !fits(p, text) {
				t.Errorf("%s: does not take %q", c.name, text)
			}
		}
		for _, text := range c.not {
			if fits(p, text) {
				t.Errorf("%s: takes %q", c.name, text)
			}
		}
	}
	if _, err := Tools([]API{{"f", []byte(`{"type": "integer", "minimum": 1}`)}}, "", "", true, false); err == nil || err.Error() != `tool f: schema: #: "minimum" is not supported beside type integer` {
		t.Error(err)
	}
}
