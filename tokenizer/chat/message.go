package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ardanlabs/jinja"
)

// Message is one of a conversation, as OpenAI's API has it.
type Message struct {
	Role       string // system, user, assistant, tool, or what the template knows
	Content    string // parts of text are joined by line breaks; null is empty
	Reasoning  string // what was thought before the answer
	Name       string // of who speaks, or of the tool
	ToolCalls  []ToolCall
	ToolCallID string // of the call that a tool's message answers
}

// ToolCall is a call of a function that a model asks for.
type ToolCall struct {
	ID        string
	Name      string
	Arguments json.RawMessage // an object, or a string, in which OpenAI has the object
}

// UnmarshalJSON reads OpenAI's form. content is a string, null, or a list of parts of
// type text; any other part is an error that names it. Unknown fields are passed over.
func (m *Message) UnmarshalJSON(raw []byte) error {
	var in struct {
		Role       *string         `json:"role"`
		Content    json.RawMessage `json:"content"`
		Name       string          `json:"name"`
		ToolCalls  []ToolCall      `json:"tool_calls"`
		ToolCallID string          `json:"tool_call_id"`
		Reasoning  string          `json:"reasoning_content"`
		Thinking   string          `json:"thinking"`
		Reasoned   string          `json:"reasoning"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if in.Role == nil || *in.Role == "" {
		return errors.New("message: no role")
	}
	content, err := parseContent(in.Content)
	if err != nil {
		return fmt.Errorf("message of role %q: content: %w", *in.Role, err)
	}
	*m = Message{
		Role: *in.Role, Content: content, Name: in.Name, ToolCalls: in.ToolCalls, ToolCallID: in.ToolCallID,
	}
	for _, r := range []string{in.Reasoned, in.Thinking, in.Reasoning} {
		if r != "" {
			m.Reasoning = r
		}
	}
	return nil
}

func parseContent(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", nil
	}
	switch raw[0] {
	case 'n', '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '[':
	default:
		return "", fmt.Errorf("want a string or a list of parts, got %.40s", raw)
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", err
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		var part struct {
			Type string  `json:"type"`
			Text *string `json:"text"`
		}
		if err := json.Unmarshal(p, &part); err != nil {
			return "", fmt.Errorf("part %d: %w", i, err)
		}
		if part.Type != "text" {
			return "", fmt.Errorf("part %d is of type %q; only text is known", i, part.Type)
		}
		if part.Text == nil {
			return "", fmt.Errorf("part %d has no text", i)
		}
		texts[i] = *part.Text
	}
	return strings.Join(texts, "\n"), nil
}

// UnmarshalJSON reads OpenAI's form: id, and function with name and arguments.
func (c *ToolCall) UnmarshalJSON(raw []byte) error {
	var in struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"function"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("tool call: %w", err)
	}
	if in.Type != "" && in.Type != "function" {
		return fmt.Errorf("tool call of type %q; only function is known", in.Type)
	}
	if in.Function.Name == "" {
		return errors.New("tool call: the function has no name")
	}
	*c = ToolCall{ID: in.ID, Name: in.Function.Name, Arguments: in.Function.Arguments}
	return nil
}

func dict(entries ...any) value {
	d := jinja.NewDict()
	for i := 0; i < len(entries); i += 2 {
		d.AsDict().Set(entries[i].(string), entries[i+1].(value))
	}
	return d
}

// value is the message as a template sees it: a key that says nothing is not there.
func (m Message) value() (value, error) {
	v := dict("role", jinja.NewString(m.Role), "content", jinja.NewString(m.Content))
	d := v.AsDict()
	if m.Reasoning != "" {
		d.Set("reasoning_content", jinja.NewString(m.Reasoning))
		d.Set("thinking", jinja.NewString(m.Reasoning)) // gpt-oss' name
	}
	if m.Name != "" {
		d.Set("name", jinja.NewString(m.Name))
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", jinja.NewString(m.ToolCallID))
	}
	if len(m.ToolCalls) == 0 {
		return v, nil
	}
	calls := make([]value, len(m.ToolCalls))
	for i, c := range m.ToolCalls {
		arguments, err := c.arguments()
		if err != nil {
			return v, fmt.Errorf("tool call %d: arguments: %w", i, err)
		}
		calls[i] = dict("type", jinja.NewString("function"),
			"function", dict("name", jinja.NewString(c.Name), "arguments", arguments))
		if c.ID != "" {
			calls[i].AsDict().Set("id", jinja.NewString(c.ID))
		}
	}
	d.Set("tool_calls", jinja.NewList(calls))
	return v, nil
}

// arguments are those of the call: of a string that holds an object the object, which
// is what templates expect.
func (c ToolCall) arguments() (value, error) {
	if len(c.Arguments) == 0 {
		return jinja.NewDict(), nil
	}
	v, err := parseJSON(c.Arguments)
	if err != nil || !v.IsString() {
		return v, err
	}
	if inner, err := parseJSON([]byte(v.AsString())); err == nil && inner.IsDict() {
		return inner, nil
	}
	return v, nil
}

// parseJSON reads one value, objects in their order of keys.
func parseJSON(raw []byte) (value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := decode(d, 0)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return v, err
	}
	if _, err := d.Token(); err != io.EOF {
		return v, errors.New("more than one JSON value")
	}
	return v, nil
}

func decode(d *json.Decoder, depth int) (value, error) {
	if depth > maxDepth/2 {
		return jinja.None(), fmt.Errorf("JSON more than %d deep", maxDepth/2)
	}
	t, err := d.Token()
	if err != nil {
		return jinja.None(), err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			var items []value
			for d.More() {
				item, err := decode(d, depth+1)
				if err != nil {
					return item, err
				}
				items = append(items, item)
			}
			_, err = d.Token()
			return jinja.NewList(items), err
		}
		object := jinja.NewDict()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return object, err
			}
			item, err := decode(d, depth+1)
			if err != nil {
				return item, err
			}
			object.AsDict().Set(key.(string), item)
		}
		_, err = d.Token()
		return object, err
	case json.Number:
		return numeric(t)
	case string:
		return jinja.NewString(t), nil
	case bool:
		return jinja.NewBool(t), nil
	}
	return jinja.None(), nil
}

func numeric(n json.Number) (value, error) {
	if strings.ContainsAny(n.String(), ".eE") {
		f, err := n.Float64()
		return jinja.NewFloat(f), err
	}
	i, err := n.Int64()
	if err != nil {
		return jinja.None(), fmt.Errorf("%s is no integer of 64 bits", n)
	}
	return jinja.NewInt(i), nil
}
