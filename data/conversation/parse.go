package conversation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mobilellm/tokenizer/chat"
)

// object are the fields of a JSON object; null is no field. Names are taken to the
// letter.
type object map[string]json.RawMessage

func parseObject(raw []byte) (object, error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil || o == nil {
		return nil, errors.New("no JSON object")
	}
	maps.DeleteFunc(o, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	return o, nil
}

// text is a string field; empty where there is none.
func (o object) text(field string) (string, error) {
	raw := o[field]
	if raw == nil {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("field %q is no string", field)
	}
	return s, nil
}

// texts are string fields, in their order.
func (o object) texts(fields ...string) ([]string, error) {
	list := make([]string, len(fields))
	for i, field := range fields {
		var err error
		if list[i], err = o.text(field); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Parse reads a JSON object as a record of a kind. [Chat] takes
//
//	{"messages": [{"role": …, "content": …}, …], "tools": […]}
//	{"conversations": [{"from": "human", "value": …}, …], "system": …, "tools": …}
//	{"instruction": …, "input": …, "output": …, "system": …, "history": [[…, …], …]}
//	{"prompt": …, "completion": …}
//
// the first of them that the object has; tools are a list of JSON schemas, or a string
// that holds one. An instruction and its input become a turn with a blank line between.
// [PromptCompletion] takes the last form, whose values are two strings, or two lists of
// messages. Errors name the turn, from 1 on.
func Parse(raw []byte, kind Kind) (*Conversation, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	c := new(Conversation)
	switch {
	case kind == PromptCompletion:
		err = c.setPair(o)
	case o["messages"] != nil:
		err = c.setMessages(o, "messages")
	case o["conversations"] != nil:
		err = c.setMessages(o, "conversations")
	case o["instruction"] != nil:
		err = c.setInstruction(o)
	case o["prompt"] != nil:
		if err = c.setPair(o); err == nil && c.Pair != nil {
			c.add("user", c.Pair.Prompt)
			c.add(assistant, c.Pair.Completion)
			c.Pair = nil
		}
	default:
		err = fmt.Errorf("no field messages, conversations, instruction or prompt%s", o.names())
	}
	if err == nil {
		err = c.setTools(o)
	}
	if err == nil && c.Pair == nil {
		err = c.check()
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// names are the fields that there are, for a person who has others.
func (o object) names() string {
	if len(o) == 0 {
		return ""
	}
	return ", there is " + strings.Join(slices.Sorted(maps.Keys(o)), ", ")
}

func (c *Conversation) add(role, content string) {
	c.Messages = append(c.Messages, chat.Message{Role: role, Content: content})
}

// setMessages reads a list of turns, each in OpenAI's form or in ShareGPT's.
func (c *Conversation) setMessages(o object, field string) error {
	system, err := o.text("system")
	if err != nil {
		return err
	}
	if system != "" {
		c.add("system", system)
	}
	messages, err := parseMessages(field, o[field])
	c.Messages = append(c.Messages, messages...)
	return err
}

func parseMessages(field string, raw json.RawMessage) ([]chat.Message, error) {
	var turns []json.RawMessage
	if err := json.Unmarshal(raw, &turns); err != nil {
		return nil, fmt.Errorf("field %q is no list of turns", field)
	}
	messages := make([]chat.Message, len(turns))
	for i, raw := range turns {
		o, err := parseObject(raw)
		switch {
		case err != nil:
		case o["from"] != nil && o["role"] == nil:
			messages[i], err = parseShareGPT(o)
		default:
			err = json.Unmarshal(raw, &messages[i])
		}
		if err != nil {
			return nil, fmt.Errorf("turn %d: %w", i+1, err)
		}
	}
	return messages, nil
}

// shareGPT are the roles by the names that ShareGPT's files have for them.
var shareGPT = map[string]string{
	"human": "user", "gpt": assistant, "chatgpt": assistant, "bing": assistant, "bard": assistant, "model": assistant, "observation": "tool",
}

// parseShareGPT reads a turn {"from": …, "value": …}. One from function_call is the
// assistant's call of a function, whose value is {"name": …, "arguments": …}.
func parseShareGPT(o object) (m chat.Message, err error) {
	fields, err := o.texts("from", "value")
	if err != nil {
		return m, err
	}
	m.Role, m.Content = fields[0], fields[1]
	if role, ok := shareGPT[m.Role]; ok {
		m.Role = role
	}
	if m.Role != "function_call" {
		return m, nil
	}
	calls, err := parseCalls([]byte(m.Content))
	if err != nil {
		return m, err
	}
	return chat.Message{Role: assistant, ToolCalls: calls}, nil
}

// parseCalls reads a call, or a list of calls.
func parseCalls(raw []byte) ([]chat.ToolCall, error) {
	list := []json.RawMessage{raw}
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '[' {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("function_call: %w", err)
		}
	}
	calls := make([]chat.ToolCall, len(list))
	for i, one := range list {
		o, err := parseObject(one)
		if err != nil {
			return nil, fmt.Errorf("function_call: %w: %.40q", err, one)
		}
		name, err := o.text("name")
		if err != nil || name == "" {
			return nil, fmt.Errorf("function_call has no name: %.40q", one)
		}
		calls[i] = chat.ToolCall{Name: name, Arguments: o["arguments"]}
	}
	return calls, nil
}

// setInstruction reads Alpaca's form.
func (c *Conversation) setInstruction(o object) error {
	fields, err := o.texts("system", "instruction", "input", "output")
	if err != nil {
		return err
	}
	var history [][2]string
	if raw := o["history"]; raw != nil {
		if err := json.Unmarshal(raw, &history); err != nil {
			return errors.New(`field "history" is no list of pairs of strings`)
		}
	}
	system, said := fields[0], fields[1]
	if system != "" {
		c.add("system", system)
	}
	for _, pair := range history {
		c.add("user", pair[0])
		c.add(assistant, pair[1])
	}
	if input := fields[2]; input != "" {
		said += "\n\n" + input
	}
	c.add("user", said)
	c.add(assistant, fields[3])
	return nil
}

// setPair reads a prompt with its completion.
func (c *Conversation) setPair(o object) error {
	for _, field := range []string{"prompt", "completion"} {
		if o[field] == nil {
			return fmt.Errorf("no field %q%s", field, o.names())
		}
	}
	if o["prompt"][0] == '[' && o["completion"][0] == '[' {
		given, err := parseMessages("prompt", o["prompt"])
		if err != nil {
			return fmt.Errorf("prompt: %w", err)
		}
		learned, err := parseMessages("completion", o["completion"])
		if err != nil {
			return fmt.Errorf("completion: %w", err)
		}
		c.Messages, c.First = append(given, learned...), len(given)
		return nil
	}
	fields, err := o.texts("prompt", "completion")
	if err != nil {
		return err
	}
	c.Pair = &Pair{fields[0], fields[1]}
	if strings.TrimSpace(c.Pair.Completion) == "" {
		return errors.New("the completion is empty")
	}
	return nil
}

// setTools reads the schemas of functions.
func (c *Conversation) setTools(o object) error {
	raw := o["tools"]
	if raw == nil {
		return nil
	}
	var inner string
	if json.Unmarshal(raw, &inner) == nil {
		if raw = json.RawMessage(strings.TrimSpace(inner)); len(raw) == 0 {
			return nil
		}
	}
	if err := json.Unmarshal(raw, &c.Tools); err != nil {
		return errors.New(`field "tools" is neither a list of JSON schemas nor a string that holds one`)
	}
	return nil
}
