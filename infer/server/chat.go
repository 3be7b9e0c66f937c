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
	text, err := s.template.Render(r.Context(), in)
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
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type chatChoice struct {
	Index    int          `json:"index"`
	Message  *chatMessage `json:"message,omitempty"`
	Delta    *chatMessage `json:"delta,omitempty"`
	LogProbs *chatProbs   `json:"logprobs"`
	Finish   *string      `json:"finish_reason"`
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
	return chatChoice{Index: c.index, Message: &chatMessage{"assistant", &text}, LogProbs: f.probs(c, 0), Finish: &c.finish}
}

func (f chatForm) chunk(c *choice, text string, from int) any {
	return chatChoice{Index: c.index, Delta: &chatMessage{Content: &text}, LogProbs: f.probs(c, from)}
}

func (f chatForm) opening(c *choice) any {
	empty := ""
	return chatChoice{Index: c.index, Delta: &chatMessage{"assistant", &empty}}
}

func (f chatForm) closing(c *choice) any {
	return chatChoice{Index: c.index, Delta: &chatMessage{}, Finish: &c.finish}
}
