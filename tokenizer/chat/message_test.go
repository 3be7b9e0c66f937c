package chat

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"mobilellm/tokenizer"
)

func TestMessageFromJSON(t *testing.T) {
	for raw, want := range map[string]Message{
		`{"role": "user", "content": "a", "refusal": null}`: {Role: "user", Content: "a"},
		`{"role": "assistant", "content": null}`:            {Role: "assistant"},
		`{"role": "assistant"}`:                             {Role: "assistant"},
		`{"role": "user", "content": []}`:                   {Role: "user"},
		`{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]}`:       {Role: "user", Content: "a\n"},
		`{"role": "tool", "content": "a", "tool_call_id": "i", "name": "n"}`:                               {Role: "tool", Content: "a", ToolCallID: "i", Name: "n"},
		`{"role": "assistant", "content": "a", "reasoning": "r"}`:                                          {Role: "assistant", Content: "a", Reasoning: "r"},
		`{"role": "assistant", "content": "a", "thinking": "t", "reasoning": "r"}`:                         {Role: "assistant", Content: "a", Reasoning: "t"},
		`{"role": "a", "tool_calls": [{"id": "i", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}`: {Role: "a", ToolCalls: []ToolCall{{ID: "i", Name: "f", Arguments: json.RawMessage(`"{\"a\": 1}"`)}}},
	} {
		var m Message
		if err := json.Unmarshal([]byte(raw), &m); err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("%s: %+v, %v, want %+v", raw, m, err, want)
		}
	}
}

func TestMessageErrors(t *testing.T) {
	for raw, want := range map[string]string{
		`{"content": "a"}`:                "no role",
		`{"role": ""}`:                    "no role",
		`{"role": 1}`:                     "role",
		`[]`:                              "message",
		`{"role": "user", "content": 17}`: `message of role "user": content: want a string or a list of parts, got 17`,
		`{"role": "user", "content": {"text": "a"}}`:                                          `got {"text": "a"}`,
		`{"role": "user", "content": ["a"]}`:                                                  "part 0: json",
		`{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}`: `part 1 is of type "image_url"; only text is known`,
		`{"role": "user", "content": [{"type": "text"}]}`:                                     "part 0 has no text",
		`{"role": "a", "tool_calls": [{"type": "custom"}]}`:                                   `tool call of type "custom"`,
		`{"role": "a", "tool_calls": [{"function": {}}]}`:                                     "the function has no name",
		`{"role": "a", "tool_calls": "f"}`:                                                    "tool_calls",
	} {
		var m Message
		if err := json.Unmarshal([]byte(raw), &m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

func TestArguments(t *testing.T) {
	for raw, want := range map[string]string{
		`"{\"b\": 1, \"a\": 2.50}"`: `{"b": 1, "a": 2.5}`,
		`{"b": 1, "a": [null]}`:     `{"b": 1, "a": [null]}`,
		`"not JSON"`:                `"not JSON"`,
		`"[1]"`:                     `"[1]"`,
		``:                          `{}`,
	} {
		in := Input{Messages: []Message{{Role: "a", ToolCalls: []ToolCall{{Name: "f", Arguments: json.RawMessage(raw)}}}}}
		got, err := render("{{ messages[0].tool_calls[0].function.arguments | tojson }}", in)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", raw, got, err, want)
		}
	}
}

func TestInputErrors(t *testing.T) {
	tools := func(raw string) Input { return Input{Tools: []json.RawMessage{json.RawMessage(raw)}} }
	variable := func(name string, v any) Input { return Input{Variables: map[string]any{name: v}} }
	for _, tt := range []struct {
		in   Input
		want string
	}{
		{tools(`[]`), "tool 0: want an object, got a list"},
		{tools(`{"a": `), "tool 0: unexpected EOF"},
		{tools(`{} {}`), "tool 0: more than one JSON value"},
		{tools(`{"a": 18446744073709551616}`), "18446744073709551616 is no integer of 64 bits"},
		{tools(strings.Repeat("[", 600)), "deep"},
		{variable("messages", 1), `the variable "messages"`},
		{variable("_chat_out", 1), `the variable "_chat_out"`},
		{variable("a-b", 1), `the variable "a-b"`},
		{variable("", 1), `the variable ""`},
		{variable("a", func() {}), "variable a: json"},
		{Input{Messages: []Message{{Role: "a", ToolCalls: []ToolCall{{Name: "f", Arguments: json.RawMessage(`{`)}}}}}, "message 0: tool call 0: arguments: unexpected EOF"},
	} {
		if _, err := render("", tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	if got, err := render("{{ a.b }}{{ c }}", Input{Variables: map[string]any{"a": map[string]int{"b": 1}, "c": json.RawMessage(`1.0`)}}); err != nil || got != "11.0" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for source, want := range map[string]string{
		"a\n{{ 1 +\n }}":               `chat template: line 2: unexpected "}}"`,
		"\n\n{% if x %}\n":             "chat template: line 3: want elif or else or endif, got the end of the template",
		"{% include 'x' %}":            `line 1: unknown statement "include"`,
		"{% for a in b recursive %}":   "recursive loops are not supported",
		"{% for a, b, c in d %}":       "a loop over 3 variables",
		"{{ x | nothing }}":            `no filter named "nothing"`,
		"{{ _chat_out }}":              "names that begin with _chat_ are reserved",
		"{% break %}":                  "break outside of a loop",
		"{{ 99999999999999999999 }}":   "99999999999999999999 is no integer of 64 bits",
		"{{ raise_exception('why') }}": "why",
		"{{ strftime_now('%Q') }}":     "strftime_now: %Q is not supported",
	} {
		if text, err := render(source, Input{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", source, text, err, want)
		}
	}
}

// A block that a template cuts after it was rendered has no place.
func TestSpans(t *testing.T) {
	for source, want := range map[string][]Span{
		"é{% generation %}a{% generation %}b{% endgeneration %}{% endgeneration %}":             {{2, 4}},
		"{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}a{{ f() }}b{{ f() }}": {{1, 2}, {3, 4}},
		"{% for x in 'ab' %}{% generation %}\n  {{ x }}\n{% endgeneration %}\n.{% endfor %}":    {{0, 4}, {5, 9}},
		"no blocks": nil,
	} {
		template, err := Parse(source)
		if err != nil {
			t.Fatal(err)
		}
		if _, spans, err := template.RenderSpans(t.Context(), Input{}); err != nil || !reflect.DeepEqual(spans, want) {
			t.Errorf("%q: %v, %v, want %v", source, spans, err, want)
		}
	}
	template, err := Parse("{% set a %}{% generation %}abc{% endgeneration %}{% endset %}{{ a[3:] }}")
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err := template.RenderSpans(t.Context(), Input{}); err == nil {
		t.Errorf("%q, want an error", text)
	}
}

func TestFor(t *testing.T) {
	with := func(config string) *tokenizer.Tokenizer {
		t.Helper()
		tok, err := tokenizer.FromFiles(tokenizer.Files{
			tokenizer.JSONFile:   []byte(`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}`),
			tokenizer.ConfigFile: []byte(config),
		})
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	both := with(`{"chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]}`)
	one := with(`{"chat_template": "O"}`)
	onlyTools := with(`{"chat_template": {"tool_use": "T"}}`)
	for _, tt := range []struct {
		tok   *tokenizer.Tokenizer
		tools bool
		want  string
	}{{both, false, "D"}, {both, true, "T"}, {one, false, "O"}, {one, true, "O"}, {onlyTools, true, "T"}, {onlyTools, false, ""}, {tokenizer.Bytes(), false, ""}} {
		template, err := For(tt.tok, tt.tools)
		if tt.want == "" {
			if !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "alpaca, chatml, llama-2, vicuna") {
				t.Errorf("%v, want %v", err, ErrNone)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := template.Render(t.Context(), Input{}); err != nil || got != tt.want {
			t.Errorf("%q, %v, want %q", got, err, tt.want)
		}
	}
	if _, err := Source("llama"); err == nil || !strings.Contains(err.Error(), `no chat template named "llama"; there are alpaca, chatml, llama-2, vicuna`) {
		t.Error(err)
	}
}
