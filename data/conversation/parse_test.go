package conversation

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"mobilellm/tokenizer/chat"
)

func said(turns ...string) (list []chat.Message) {
	for i := 0; i < len(turns); i += 2 {
		list = append(list, chat.Message{Role: turns[i], Content: turns[i+1]})
	}
	return list
}

func TestParse(t *testing.T) {
	ab := said("user", "a", "assistant", "b")
	sab := said("system", "s", "user", "a", "assistant", "b")
	for _, c := range []struct {
		raw  string
		kind Kind
		want Conversation
	}{
		{`{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "Messages": 1}`, Chat, Conversation{Messages: ab}},
		{`{"messages": null, "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "s"}`, Chat, Conversation{Messages: sab}},
		{`{"conversations": [{"from": "system", "value": "s"}, {"role": "user", "content": "a"}, {"from": "chatgpt", "value": "b"}]}`, Chat, Conversation{Messages: sab}},
		{`{"instruction": "a", "input": "", "output": "b"}`, Chat, Conversation{Messages: ab}},
		{
			`{"instruction": "a", "input": "i", "output": "b", "system": "s", "history": [["c", "d"]]}`, Chat,
			Conversation{Messages: said("system", "s", "user", "c", "assistant", "d", "user", "a\n\ni", "assistant", "b")},
		},
		{`{"prompt": "a", "completion": "b"}`, Chat, Conversation{Messages: ab}},
		{`{"prompt": "a", "completion": "b"}`, PromptCompletion, Conversation{Pair: &Pair{"a", "b"}}},
		{`{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}`, PromptCompletion, Conversation{Messages: ab, First: 1}},
		{`{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}]}`, Chat, Conversation{Messages: ab}},
		{
			`{"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}, {"from": "observation", "value": "2"}], "tools": "[{\"name\": \"f\"}]"}`, Chat,
			Conversation{
				Messages: []chat.Message{{Role: "user", Content: "a"}, {Role: "assistant", ToolCalls: []chat.ToolCall{{Name: "f", Arguments: []byte(`{"x": 1}`)}}}, {Role: "tool", Content: "2"}},
				Tools:    []json.RawMessage{json.RawMessage(`{"name": "f"}`)},
			},
		},
	} {
		got, err := Parse([]byte(c.raw), c.kind)
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, %v", c.raw, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	messages := func(inner string) string { return `{"messages": [` + inner + `]}` }
	const user, answer = `{"role": "user", "content": "a"}, `, `{"role": "assistant", "content": "b"}`
	for _, c := range []struct {
		raw  string
		kind Kind
		want string
	}{
		{`[1]`, Chat, "no JSON object"},
		{`null`, Chat, "no JSON object"},
		{`{"text": "a"}`, Chat, "no field messages, conversations, instruction or prompt, there is text"},
		{`{"text": "a", "prompt": "b"}`, PromptCompletion, `no field "completion", there is prompt, text`},
		{`{"prompt": "a", "completion": 1}`, PromptCompletion, `field "completion" is no string`},
		{`{"prompt": "a", "completion": " \n"}`, PromptCompletion, "the completion is empty"},
		{`{"messages": "a"}`, Chat, `field "messages" is no list of turns`},
		{messages(``), Chat, "the conversation has no turn"},
		{messages(user + `3`), Chat, "turn 2: no JSON object"},
		{messages(user + `{"content": "b"}`), Chat, "turn 2: message: no role"},
		{messages(user + `{"role": "assistant", "content": {"a": 1}}`), Chat, `turn 2: message of role "assistant": content: want a string`},
		{messages(user + `{"role": "critic", "content": "b"}`), Chat, `turn 2: role "critic" is none of system, developer, user, assistant`},
		{`{"conversations": [{"from": "alien", "value": "b"}]}`, Chat, `turn 1: role "alien" is none of`},
		{messages(`{"role": "system", "content": "s"}, ` + user + `{"role": "system", "content": "t"}, ` + answer), Chat, "turn 3 (system): turn 1 is of the system already"},
		{messages(user + `{"role": "assistant", "content": " \n"}`), Chat, "turn 2 (assistant) is empty"},
		{messages(`{"role": "user", "content": null}, ` + answer), Chat, "turn 1 (user) is empty"},
		{`{"instruction": "a", "output": ""}`, Chat, "turn 2 (assistant) is empty"},
		{`{"instruction": "a", "output": "b", "history": [1]}`, Chat, `field "history" is no list of pairs`},
		{`{"conversations": [{"from": "function_call", "value": "look up"}]}`, Chat, `turn 1: function_call: no JSON object: "look up"`},
		{`{"prompt": "a", "completion": "b", "tools": 3}`, Chat, `field "tools" is neither`},
	} {
		_, err := Parse([]byte(c.raw), c.kind)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q in it", c.raw, err, c.want)
		}
	}
}

func TestParseKind(t *testing.T) {
	for name, want := range map[string]Kind{"": Text, "text": Text, "chat": Chat, "prompt_completion": PromptCompletion} {
		if got, err := ParseKind(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	if _, err := ParseKind("chats"); err == nil {
		t.Error("chats is a kind")
	}
}
