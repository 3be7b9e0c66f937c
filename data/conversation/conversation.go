package conversation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"mobilellm/tokenizer/chat"
)

// Kind is what the records of a source are.
type Kind string

// The kinds of records.
const (
	Text             Kind = "text"              // every token of a text is learned
	Chat             Kind = "chat"              // conversations, rendered by a chat template
	PromptCompletion Kind = "prompt_completion" // the completion of a prompt is learned
)

// ParseKind reads a kind; empty is [Text].
func ParseKind(name string) (Kind, error) {
	switch k := Kind(name); k {
	case "":
		return Text, nil
	case Text, Chat, PromptCompletion:
		return k, nil
	}
	return "", fmt.Errorf("kind %q: want %s, %s or %s", name, Text, Chat, PromptCompletion)
}

// Conversation is a record: turns, or a prompt with a completion.
type Conversation struct {
	Messages []chat.Message
	Tools    []json.RawMessage // JSON schemas, as OpenAI's tools
	// First is the number of turns, from the first on, that are given and not learned.
	First int
	// Pair is the record where it is two plain strings; Messages are empty then.
	Pair *Pair
}

// Pair is a text and how it goes on.
type Pair struct{ Prompt, Completion string }

// roles are those that a turn may have.
var roles = []string{"system", "developer", "user", "assistant", "tool", "function"}

const assistant = "assistant"

// turn names a turn for a message, counted from 1.
func turn(i int, m chat.Message) string { return fmt.Sprintf("turn %d (%s)", i+1, m.Role) }

// check reports the first turn that no conversation has: of an unknown role, a second
// one of the system, or one that says nothing.
func (c *Conversation) check() error {
	if len(c.Messages) == 0 {
		return fmt.Errorf("the conversation has no turn")
	}
	system := -1
	for i, m := range c.Messages {
		isSystem := m.Role == "system" || m.Role == "developer"
		switch {
		case !slices.Contains(roles, m.Role):
			return fmt.Errorf("turn %d: role %q is none of %s", i+1, m.Role, strings.Join(roles, ", "))
		case isSystem && system >= 0:
			return fmt.Errorf("%s: turn %d is of the system already", turn(i, m), system+1)
		case isSystem:
			system = i
		case (m.Role == "user" || m.Role == assistant) && len(m.ToolCalls) == 0 && strings.TrimSpace(m.Content+m.Reasoning) == "":
			return fmt.Errorf("%s is empty", turn(i, m))
		}
	}
	return nil
}

// Unanswered says whether the conversation ends with a turn that is not the assistant's,
// which teaches nothing.
func (c *Conversation) Unanswered() bool {
	n := len(c.Messages)
	return n > 0 && c.Messages[n-1].Role != assistant
}
