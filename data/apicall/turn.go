package apicall

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Who says the lines of a turn (the paper's appendix H.5).
const (
	Parser = "PARSER" // the call of what the user asked for
	Agent  = "AGENT"  // the reply
)

// Turn is what follows a user's words: a call, where one is due, and the reply.
type Turn struct {
	Call  string // as [Call.String] has it; empty for none
	Reply string
}

// line is one of a turn, with its fields in the paper's order.
type line struct {
	Role    string `json:"role"`
	Message string `json:"message"`
}

// String is the turn's text, an object a line.
func (t Turn) String() string {
	text := ""
	if t.Call != "" {
		text = object(Parser, t.Call) + "\n"
	}
	return text + object(Agent, t.Reply)
}

// object writes an object as the paper does, with a blank behind colons and commas.
func object(role, message string) string {
	return `{"role": ` + quote(role) + `, "message": ` + quote(message) + `}`
}

func quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string
	return strings.TrimSuffix(b.String(), "\n")
}

// ParseTurn reads what a model wrote for a turn. What is no object of the two roles is
// passed over; where there is none of the agent's, the reply is all that is no object, so
// that a model which was not tuned has one too.
func ParseTurn(text string) Turn {
	var t Turn
	var rest []string
	replied := false
	for part := range strings.Lines(text) {
		part = strings.TrimSuffix(strings.TrimSpace(part), ",") // the paper has commas between
		var l line
		switch err := json.Unmarshal([]byte(part), &l); {
		case err == nil && l.Role == Parser && t.Call == "":
			t.Call = l.Message
		case err == nil && l.Role == Agent && !replied:
			t.Reply, replied = l.Message, true
		case err != nil:
			rest = append(rest, part)
		}
	}
	if !replied {
		t.Reply = strings.TrimSpace(strings.Join(rest, "\n"))
	}
	return t
}
