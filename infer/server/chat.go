package server

import (
	"errors"
	"net/http"

	"mobilellm/infer"
	"mobilellm/tokenizer/chat"
)

func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) error {
	var rq chatRequest
	if err := read(r, &rq); err != nil {
		return err
	}
	if s.template == nil {
		return invalid("", "%v", s.noChat)
	}
	if len(rq.Messages) == 0 {
		return invalid("messages", "messages is empty")
	}
	if rq.MaxCompletionTokens != nil { // OpenAI's later name
		rq.MaxTokens = rq.MaxCompletionTokens
	}
	if rq.MaxTokens == nil { // as OpenAI's: to the end of the answer
		most := s.m.Context()
		rq.MaxTokens = &most
	}
	o, n, stops, err := s.options(&rq.request)
	if err != nil {
		return err
	}
	switch {
	case rq.TopLogProbs < 0 || rq.TopLogProbs > maxLogProbs:
		return invalid("top_logprobs", "top_logprobs (%d) must lie between 0 and %d", rq.TopLogProbs, maxLogProbs)
	case rq.LogProbs:
		o.LogProbs = max(rq.TopLogProbs, 1)
	}
	o.MaxTokens = max(o.MaxTokens, 1)
	var use *toolUse
	if o.Grammar, use, err = s.constraint(&rq); err != nil {
		return err
	}
	prompt, err := s.render(r, &rq)
	if err != nil {
		return err
	}
	if err := s.fits(prompt, false); err != nil {
		return err
	}
	var choices []*choice
	for i := range n {
		c := &choice{index: i, stops: stops, piece: s.piece, infer: infer.Request{Prompt: prompt, Options: o}}
		c.infer.Seed += uint64(i)
		if use != nil {
			c.calls = &callReader{use: *use}
		}
		choices = append(choices, c)
	}
	object := "chat.completion"
	if rq.Stream {
		object = "chat.completion.chunk"
	}
	return s.answer(w, r, &rq.request, choices, s.head("chatcmpl-", object), chatForm{rq.LogProbs, rq.TopLogProbs})
}

// render is a conversation as the model reads it. What the template refuses is the
// caller's mistake.
func (s *Server) render(r *http.Request, rq *chatRequest) ([]int32, error) {
	in := chat.Input{Messages: rq.Messages, Tools: rq.Tools, AddGenerationPrompt: true, Variables: rq.TemplateArguments}
	in.BOS, in.EOS = s.m.Tokenizer.TemplateTokens()
	template := s.template
	switch {
	case len(in.Tools) > 0 && s.tools.known:
		template = s.tools.template
	case len(in.Tools) > 0:
		in.Messages, in.Tools = shown(in.Messages, in.Tools), nil
	}
	text, err := template.Render(r.Context(), in)
	if err != nil {
		if r.Context().Err() != nil && !errors.Is(err, chat.ErrBound) {
			return nil, err
		}
		return nil, invalid("messages", "%v", err)
	}
	ids := s.m.Tokenizer.Encode([]byte(text))
	if len(ids) == 0 {
		return nil, invalid("messages", "the chat template makes no text of the messages")
	}
	lists, err := s.checked([][]int32{ids})
	if err != nil {
		return nil, err
	}
	return lists[0], nil
}

// chatForm is that of /v1/chat/completions.
type chatForm struct {
	wanted bool // log-probabilities are
	top    int
}

type chatMessage struct {
	Role    string     `json:"role,omitempty"`
	Content *string    `json:"content,omitempty"`
	Calls   []chatCall `json:"tool_calls,omitempty"`
}

// wholeMessage is one whose content is null where it has only calls.
type wholeMessage struct {
	Role    string     `json:"role"`
	Content *string    `json:"content"`
	Calls   []chatCall `json:"tool_calls,omitempty"`
}

// chatCall is a call, or in a stream a part of one, which Index tells from others.
type chatCall struct {
	Index    *int     `json:"index,omitempty"`
	ID       string   `json:"id,omitempty"`
	Type     string   `json:"type,omitempty"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type chatChoice struct {
	Index    int           `json:"index"`
	Message  *wholeMessage `json:"message,omitempty"`
	Delta    *chatMessage  `json:"delta,omitempty"`
	LogProbs *chatProbs    `json:"logprobs"`
	Finish   *string       `json:"finish_reason"`
}

type chatProbs struct {
	Content []chatToken `json:"content"`
}

type chatToken struct {
	Token   string      `json:"token"`
	LogProb float64     `json:"logprob"`
	Bytes   []int       `json:"bytes"`
	Top     []chatToken `json:"top_logprobs,omitzero"` // an array in a token of the answer, none in one of Top
}

func newChatToken(text string, logProb float64) chatToken {
	t := chatToken{Token: text, LogProb: logProb, Bytes: []int{}}
	for _, b := range []byte(text) {
		t.Bytes = append(t.Bytes, int(b))
	}
	return t
}

func (f chatForm) probs(c *choice, from int) *chatProbs {
	if !f.wanted {
		return nil
	}
	p := &chatProbs{Content: []chatToken{}}
	for i, t := range c.tokens[from:] {
		token := newChatToken(c.texts[from+i], t.LogProb)
		token.Top = []chatToken{}
		for _, x := range t.Top[:min(f.top, len(t.Top))] {
			token.Top = append(token.Top, newChatToken(c.piece(x.ID), x.LogProb))
		}
		p.Content = append(p.Content, token)
	}
	return p
}

func (f chatForm) whole(c *choice) any {
	text := c.text.String()
	m := &wholeMessage{Role: "assistant", Content: &text}
	if c.calls != nil {
		d, rest := c.calls.feed(text), c.calls.flush()
		text = d.content + rest.content
		for _, part := range d.calls {
			if part.name != "" {
				m.Calls = append(m.Calls, newCall(part))
			}
			last := &m.Calls[len(m.Calls)-1]
			last.Function.Arguments += part.arguments
		}
		if len(m.Calls) > 0 && text == "" {
			m.Content = nil
		}
	}
	return chatChoice{Index: c.index, Message: m, LogProbs: f.probs(c, 0), Finish: finish(c)}
}

// newCall is a call that begins.
func newCall(part callPart) chatCall {
	return chatCall{ID: newID("call_"), Type: "function", Function: function{Name: part.name}}
}

// finish is why a choice ended, which is a call where there is a whole one.
func finish(c *choice) *string {
	if c.calls != nil && c.calls.calls > 0 && c.finish == string(infer.Stopped) {
		c.finish = "tool_calls"
	}
	return &c.finish
}

func (f chatForm) chunk(c *choice, text string, from int) any {
	m := &chatMessage{Content: &text}
	if c.calls != nil {
		if m = deltaOf(c.calls.feed(text)); m == nil && !f.wanted {
			return nil
		}
		if m == nil {
			m = &chatMessage{}
		}
	}
	return chatChoice{Index: c.index, Delta: m, LogProbs: f.probs(c, from)}
}

// deltaOf is what is new of an answer with tools; nil for nothing. Parts of one call are
// one.
func deltaOf(d delta) *chatMessage {
	if d.empty() {
		return nil
	}
	m := &chatMessage{}
	if d.content != "" {
		m.Content = &d.content
	}
	for _, part := range d.calls {
		n := len(m.Calls)
		if n > 0 && *m.Calls[n-1].Index == part.index {
			m.Calls[n-1].Function.Arguments += part.arguments
			continue
		}
		call := chatCall{Function: function{Arguments: part.arguments}}
		if part.name != "" {
			call = newCall(part)
		}
		call.Index = &part.index
		m.Calls = append(m.Calls, call)
	}
	return m
}

func (f chatForm) opening(c *choice) any {
	empty := ""
	return chatChoice{Index: c.index, Delta: &chatMessage{Role: "assistant", Content: &empty}}
}

func (f chatForm) closing(c *choice) any {
	m := &chatMessage{}
	if c.calls != nil {
		if rest := deltaOf(c.calls.flush()); rest != nil {
			m = rest
		}
	}
	return chatChoice{Index: c.index, Delta: m, Finish: finish(c)}
}
