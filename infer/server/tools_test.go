package server

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"mobilellm/tokenizer/chat"
)

const greeting = `"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 300, "seed": 3`

// A model of drawn weights answers what the format wants.
func TestResponseFormat(t *testing.T) {
	_, h := startedWith(t, defaults(), 2, 500)
	url := h.URL + "/v1/chat/completions"
	const format = `"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {"type": "object", "properties": {"n": {"type": "integer"}, "kind": {"enum": ["a", "b"]}}, "required": ["n", "kind"], "additionalProperties": false}}}`
	for _, sampling := range []string{`"temperature": 0`, `"temperature": 1, "top_p": 0.9`, `"temperature": 2, "logprobs": true`} {
		code, v := post(t, url, `{`+greeting+`, `+sampling+`, `+format+`}`)
		text, _ := at(v, "choices", 0, "message", "content").(string)
		var got struct {
			N    *int64
			Kind string
		}
		if err := json.Unmarshal([]byte(text), &got); code != 200 || err != nil || got.N == nil || got.Kind != "a" && got.Kind != "b" || at(v, "choices", 0, "finish_reason") != "stop" {
			t.Errorf("%s: %d %v", sampling, code, v)
		}
		streamed := ""
		for _, c := range chunks(t, url, `{`+greeting+`, `+sampling+`, "stream": true, `+format+`}`) {
			piece, _ := at(c, "choices", 0, "delta", "content").(string)
			streamed += piece
		}
		if streamed != text {
			t.Errorf("%s: streamed %s, whole %s", sampling, streamed, text)
		}
	}
	code, v := post(t, url, `{`+greeting+`, "temperature": 1, "response_format": {"type": "json_object"}}`)
	if text, _ := at(v, "choices", 0, "message", "content").(string); code != 200 || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		t.Errorf("%d %v", code, v)
	}
	if code, _ := post(t, url, `{`+greeting+`, "response_format": {"type": "text"}}`); code != 200 {
		t.Errorf("type text: %d", code)
	}
}

const tools = `"tools": [{"type": "function", "function": {"name": "find", "description": "Find it", "parameters": {"type": "object", "properties": {"city": {"enum": ["Ghent", "a \"}"]}, "n": {"type": "integer"}}, "required": ["city"]}}}, {"type": "function", "function": {"name": "now"}}]`

func TestToolCalls(t *testing.T) {
	s, h := startedWith(t, defaults(), 2, 1400)
	url := h.URL + "/v1/chat/completions"
	if s.tools.known {
		t.Fatal("the template knows of tools")
	}
	for _, choice := range []string{`"required"`, `{"type": "function", "function": {"name": "find"}}`} {
		body := `{` + greeting + `, "temperature": 1, "parallel_tool_calls": false, ` + tools + `, "tool_choice": ` + choice
		code, v := post(t, url, body+`}`)
		call := at(v, "choices", 0, "message", "tool_calls", 0)
		var arguments map[string]any
		err := json.Unmarshal([]byte(at(call, "function", "arguments").(string)), &arguments)
		name := at(call, "function", "name")
		if code != 200 || err != nil || at(v, "choices", 0, "finish_reason") != "tool_calls" || at(v, "choices", 0, "message", "content") != nil || at(call, "type") != "function" || !strings.HasPrefix(at(call, "id").(string), "call_") {
			t.Fatalf("%d %v", code, v)
		}
		if name != "find" && (name != "now" || strings.Contains(choice, "find")) || name == "find" && arguments["city"] != "Ghent" && arguments["city"] != `a "}` {
			t.Errorf("%s: %v", choice, call)
		}
		var streamed, text, finish string
		opened := 0
		for _, c := range chunks(t, url, body+`, "stream": true}`) {
			d := at(c, "choices", 0, "delta").(map[string]any)
			if piece, ok := d["content"].(string); ok {
				text += piece
			}
			if f, ok := at(c, "choices", 0, "finish_reason").(string); ok {
				finish = f
			}
			if d["tool_calls"] == nil {
				continue
			}
			part := at(d, "tool_calls", 0)
			if at(part, "index") != 0.0 {
				t.Errorf("%v", part)
			}
			if n, ok := at(part, "function", "name").(string); ok {
				opened++
				if n != name || at(part, "id") == nil || at(part, "type") != "function" {
					t.Errorf("%v, want %v", part, name)
				}
			}
			streamed += at(part, "function", "arguments").(string)
		}
		if streamed != at(call, "function", "arguments") || opened != 1 || text != "" || finish != "tool_calls" {
			t.Errorf("streamed %q in %d calls and %q, %s; whole %v", streamed, opened, text, finish, call)
		}
	}
	code, v := post(t, url, `{`+greeting+`, "temperature": 1, `+tools+`}`)
	if code != 200 || at(v, "choices", 0, "message", "content") == nil {
		t.Errorf("auto: %d %v", code, v)
	}
	if code, v = post(t, url, `{`+greeting+`, `+tools+`, "tool_choice": "none"}`); code != 200 || at(v, "choices", 0, "message", "content") == nil {
		t.Errorf("none: %d %v", code, v)
	}
	// Calls and their results go back to the model.
	code, v = post(t, url, `{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "call_1", "content": "noon"}], "max_tokens": 2, `+tools+`}`)
	if code != 200 {
		t.Errorf("%d %v", code, v)
	}
}

func TestToolMistakes(t *testing.T) {
	_, h := startedWith(t, defaults(), 1, 600)
	url := h.URL + "/v1/chat/completions"
	function := func(parameters string) string {
		return `"tools": [{"type": "function", "function": {"name": "f", "parameters": ` + parameters + `}}]`
	}
	schema := func(schema string) string {
		return `"response_format": {"type": "json_schema", "json_schema": {"schema": ` + schema + `}}`
	}
	for _, c := range []struct{ body, param, want string }{
		{`"response_format": {"type": "xml"}`, "response_format", `response_format.type is "xml", want text, json_object or json_schema`},
		{`"response_format": {"type": "json_schema"}`, "response_format", "response_format: json_schema has no schema"},
		{schema(`{"type": "integer", "minimum": 3}`), "response_format", `response_format: schema: #: "minimum" is not supported beside type integer`},
		{schema(`{"$ref": "#/x"}`), "response_format", `response_format: schema: #: $ref "#/x": there is no such place`},
		{`"response_format": {"type": "json_object"}, ` + tools, "response_format", "response_format json_object and tools: want one of them"},
		{function(`{"type": "object", "properties": {"a": {"not": {}}}}`), "tools", `tool f: schema: #/properties/a: "not" is not supported`},
		{function(`{"type": "string"}`), "tools", `tools[0].function.parameters are no schema of an object: want "type": "object"`},
		{function(`[]`), "tools", `tools[0].function.parameters are no schema of an object: []`},
		{`"tools": [{"type": "retrieval"}]`, "tools", `tools[0].type is "retrieval", only function is known`},
		{`"tools": [{"type": "function", "function": {"name": "a b"}}]`, "tools", `tools[0].function.name ("a b") must be 1 to 64 letters`},
		{`"tools": [{"type": "function", "function": {"name": "a"}}, {"type": "function", "function": {"name": "a"}}]`, "tools", `tools[1].function.name ("a") is there already`},
		{`"tool_choice": "auto"`, "tool_choice", "tool_choice wants tools, of which there are none"},
		{`"tool_choice": "always", ` + tools, "tool_choice", `tool_choice is "always", want none, auto, required`},
		{`"tool_choice": {"type": "function", "function": {"name": "g"}}, ` + tools, "tool_choice", `tool_choice: there is no tool "g"`},
	} {
		code, v := post(t, url, `{`+greeting+`, `+c.body+`}`)
		if message, _ := at(v, "error", "message").(string); code != 400 || !strings.HasPrefix(message, c.want) || at(v, "error", "param") != c.param {
			t.Errorf("%s: %d %v, want %s", c.body, code, v, c.want)
		}
	}
}

// An answer in pieces of any size gives the same text and calls.
func TestCallReader(t *testing.T) {
	const a, b = `<tool_call>` + "\n" + `{"name": "find", "arguments": {"x": "a \"} {", "y": {"z": [1]}}}` + "\n</tool_call>", "<tool_call>\n" + `{"name": "now", "arguments": {}}` + "\n</tool_call>"
	for _, c := range []struct {
		use        toolUse
		text, want string
	}{
		{toolUse{callBegins, callEnds}, "Hello <b>", "Hello <b>"},
		{toolUse{callBegins, callEnds}, "Let me see.\n" + a + "\n" + b, "Let me see.\n[0 find {\"x\": \"a \\\"} {\", \"y\": {\"z\": [1]}}][1 now {}]"},
		{toolUse{callBegins, callEnds}, " " + b, "[0 now {}]"},
		{toolUse{callBegins, callEnds}, "<tool_call", "<tool_call"},
		{toolUse{callBegins, callEnds}, a[:len(a)-30], "[0 find {\"x\": \"a \\\"} {\", ]"},
		{toolUse{}, ` {"name": "now", "arguments": {}}`, "[0 now {}]"},
		{toolUse{}, "No {\"name\": ", "No {\"name\": "},
		{toolUse{}, "", ""},
	} {
		for size := 1; size < len(c.text)+2; size++ {
			r := &callReader{use: c.use}
			var content string
			var calls []callPart
			take := func(d delta) {
				content += d.content
				for _, part := range d.calls {
					if part.name != "" {
						calls = append(calls, part)
						continue
					}
					calls[len(calls)-1].arguments += part.arguments
				}
			}
			for from := 0; from < len(c.text); from += size {
				take(r.feed(c.text[from:min(from+size, len(c.text))]))
			}
			take(r.flush())
			got := content
			for _, call := range calls {
				got += "[" + string('0'+rune(call.index)) + " " + call.name + " " + call.arguments + "]"
			}
			if got != c.want {
				t.Fatalf("%q in pieces of %d: %q, want %q", c.text, size, got, c.want)
			}
		}
	}
}

// Messages for a template that knows of no tools.
func TestShown(t *testing.T) {
	got := shown([]chat.Message{
		{Role: "system", Content: "Be kind."},
		{Role: "user", Content: "When?"},
		{Role: "assistant", Content: "Let me see.", ToolCalls: []chat.ToolCall{{Name: "now", Arguments: []byte(`"{\"a\": 1}"`)}}},
		{Role: "tool", Content: "noon"},
		{Role: "tool", Content: "or later"},
	}, []json.RawMessage{[]byte(`{"x": 1}`)})
	want := []chat.Message{
		{Role: "user", Content: "When?"},
		{Role: "assistant", Content: "Let me see.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {\"a\": 1}}\n</tool_call>"},
		{Role: "user", Content: "<tool_response>\nnoon\n</tool_response>\n<tool_response>\nor later\n</tool_response>"},
	}
	if len(got) != 4 || !reflect.DeepEqual(got[1:], want) || !strings.HasPrefix(got[0].Content, "Be kind.\n\nThese functions") || !strings.Contains(got[0].Content, "\n{\"x\": 1}\n</tools>") {
		t.Errorf("%+v", got)
	}
}
