package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mobilellm/infer/grammar"
	"mobilellm/tokenizer"
	"mobilellm/tokenizer/chat"
)

// Calls are written as most templates that know of tools have them (Hermes, Qwen), and so
// for models whose template knows of none. A template that knows of tools but not of these
// marks, such as Llama 3's, has a call alone as the whole answer.
const (
	callBegins = "<tool_call>\n"
	callEnds   = "\n</tool_call>"
)

// maxTools is how many a request may have.
const maxTools = 128

var toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// toolUse is how a request's answers use tools.
type toolUse struct {
	begin, end string
}

// tool is one of a request, in OpenAI's form.
type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"function"`
}

// parsed are the tools of a request, all of which must have a name of their own.
func (rq *chatRequest) parsed() ([]grammar.API, error) {
	if len(rq.Tools) > maxTools {
		return nil, invalid("tools", "tools has %d entries, at most %d are taken", len(rq.Tools), maxTools)
	}
	var list []grammar.API
	for i, raw := range rq.Tools {
		var t tool
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, invalid("tools", "tools[%d] is no tool: %v", i, err)
		}
		switch {
		case t.Type != "function":
			return nil, invalid("tools", "tools[%d].type is %q, only function is known", i, t.Type)
		case !toolName.MatchString(t.Function.Name):
			return nil, invalid("tools", "tools[%d].function.name (%q) must be 1 to 64 letters, digits, _ and -", i, t.Function.Name)
		case slices.ContainsFunc(list, func(a grammar.API) bool { return a.Name == t.Function.Name }):
			return nil, invalid("tools", "tools[%d].function.name (%q) is there already", i, t.Function.Name)
		}
		schema, err := argumentsSchema(t.Function.Parameters)
		if err != nil {
			return nil, invalid("tools", "tools[%d].function.parameters %v", i, err)
		}
		list = append(list, grammar.API{Name: t.Function.Name, Parameters: schema})
	}
	return list, nil
}

// argumentsSchema is the schema of a function's arguments, which are an object; without one
// there are none.
func argumentsSchema(raw json.RawMessage) (json.RawMessage, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); len(raw) > 0 && err != nil {
		return nil, fmt.Errorf("are no schema of an object: %.60s", raw)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	switch kind := string(keys["type"]); kind {
	case `"object"`:
		return raw, nil
	case "":
		if keys["properties"] != nil {
			return raw, nil
		}
	}
	return nil, errors.New(`are no schema of an object: want "type": "object"`)
}

// choice are the tools that may be called: none, any, or that of tool_choice, and whether
// one must be.
func (rq *chatRequest) choice(tools []grammar.API) (allowed []grammar.API, required bool, err error) {
	raw := bytes.TrimSpace(rq.ToolChoice)
	if len(raw) == 0 || string(raw) == "null" {
		return tools, false, nil
	}
	var word string
	var named tool
	switch {
	case json.Unmarshal(raw, &word) == nil && word == "none":
		return nil, false, nil
	case word == "auto" && len(tools) > 0:
		return tools, false, nil
	case word == "required" && len(tools) > 0:
		return tools, true, nil
	case len(tools) == 0:
		return nil, false, invalid("tool_choice", "tool_choice wants tools, of which there are none")
	case word != "" || json.Unmarshal(raw, &named) != nil || named.Type != "function":
		return nil, false, invalid("tool_choice", "tool_choice is %.60s, want none, auto, required or a function by its name", raw)
	}
	at := slices.IndexFunc(tools, func(a grammar.API) bool { return a.Name == named.Function.Name })
	if at < 0 {
		return nil, false, invalid("tool_choice", "tool_choice: there is no tool %q", named.Function.Name)
	}
	return tools[at : at+1], true, nil
}

// responseFormat is OpenAI's.
type responseFormat struct {
	Type   string `json:"type"`
	Schema *struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

// constraint is what a request's answers must fit, nil for nothing, and how they use
// tools, nil for not at all.
func (s *Server) constraint(rq *chatRequest) (*grammar.Grammar, *toolUse, error) {
	tools, err := rq.parsed()
	if err != nil {
		return nil, nil, err
	}
	tools, required, err := rq.choice(tools)
	if err != nil {
		return nil, nil, err
	}
	format := responseFormat{Type: "text"}
	if rq.ResponseFormat != nil {
		format = *rq.ResponseFormat
	}
	if format.Type != "text" && len(tools) > 0 {
		return nil, nil, invalid("response_format", "response_format %s and tools: want one of them, or tool_choice none", format.Type)
	}
	switch {
	case len(tools) > 0:
		use := &toolUse{callBegins, callEnds}
		if s.tools.known && !s.tools.marked {
			use = &toolUse{}
		}
		several := rq.Parallel == nil || *rq.Parallel
		g, err := s.grammar(fmt.Sprint("tools", use, required, several, tools), func() (*grammar.Program, error) {
			return grammar.Tools(tools, use.begin, use.end, required, several)
		})
		if err != nil {
			return nil, nil, invalid("tools", "%v", err)
		}
		return g, use, nil
	case format.Type == "text":
		return nil, nil, nil
	case format.Type == "json_object":
		g, err := s.grammar("object", func() (*grammar.Program, error) { return grammar.Object(), nil })
		return g, nil, err
	case format.Type == "json_schema":
		if format.Schema == nil || len(format.Schema.Schema) == 0 {
			return nil, nil, invalid("response_format", "response_format: json_schema has no schema")
		}
		g, err := s.grammar("schema"+string(format.Schema.Schema), func() (*grammar.Program, error) { return grammar.Schema(format.Schema.Schema) })
		if err != nil {
			return nil, nil, invalid("response_format", "response_format: %v", err)
		}
		return g, nil, nil
	}
	return nil, nil, invalid("response_format", "response_format.type is %q, want text, json_object or json_schema", format.Type)
}

// maxGrammars is how many are kept for further requests.
const maxGrammars = 32

// grammar is one that was made before, or makes it.
func (s *Server) grammar(key string, compile func() (*grammar.Program, error)) (*grammar.Grammar, error) {
	s.compiling.Lock()
	defer s.compiling.Unlock()
	if g := s.grammars[key]; g != nil {
		return g, nil
	}
	p, err := compile()
	if err != nil {
		return nil, err
	}
	if len(s.grammars) >= maxGrammars {
		clear(s.grammars)
	}
	g := s.m.Vocabulary().Grammar(p)
	s.grammars[key] = g
	return g, nil
}

// templateTools is what the model's chat template knows of tools.
type templateTools struct {
	template *chat.Template // for chats with tools
	known    bool           // it shows them
	marked   bool           // and calls between the marks
}

func newTemplateTools(tok *tokenizer.Tokenizer) (t templateTools) {
	all := tok.ChatTemplates()
	source := all[tokenizer.DefaultTemplate]
	if s, ok := all[tokenizer.ToolTemplate]; ok {
		source = s
	}
	t.template, _ = chat.For(tok, true) // without one there is no chat at all
	t.known = strings.Contains(source, "tools")
	t.marked = strings.Contains(source, strings.TrimSpace(callBegins))
	return t
}

// shown are messages that show the tools, for a template that does not, and calls and their
// results as text.
func shown(messages []chat.Message, tools []json.RawMessage) []chat.Message {
	var b strings.Builder
	b.WriteString("These functions can be called:\n<tools>\n")
	for _, t := range tools {
		b.Write(t)
		b.WriteByte('\n')
	}
	b.WriteString("</tools>\nA call of one is answered as\n" + callBegins + `{"name": "its name", "arguments": {…}}` + callEnds)
	list := []chat.Message{{Role: "system", Content: b.String()}}
	for i, m := range messages {
		switch {
		case i == 0 && m.Role == "system":
			list[0].Content = m.Content + "\n\n" + list[0].Content
			continue
		case m.Role == "tool":
			m = chat.Message{Role: "user", Content: "<tool_response>\n" + m.Content + "\n</tool_response>"}
			if last := &list[len(list)-1]; last.Role == "user" { // of calls at once
				last.Content += "\n" + m.Content
				continue
			}
		case len(m.ToolCalls) > 0:
			parts := []string{}
			if m.Content != "" {
				parts = append(parts, m.Content)
			}
			for _, c := range m.ToolCalls {
				parts = append(parts, callBegins+`{"name": `+quoted(c.Name)+`, "arguments": `+arguments(c)+`}`+callEnds)
			}
			m = chat.Message{Role: m.Role, Content: strings.Join(parts, "\n")}
		}
		list = append(list, m)
	}
	return list
}

func quoted(text string) string {
	raw, _ := json.Marshal(text) // a string
	return string(raw)
}

// arguments are those of a call as an object.
func arguments(c chat.ToolCall) string {
	var text string
	if json.Unmarshal(c.Arguments, &text) == nil {
		return text
	}
	return string(c.Arguments)
}
