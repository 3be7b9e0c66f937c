package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"mobilellm/infer"
)

// choice is a continuation of one prompt.
type choice struct {
	index  int
	stops  []string
	piece  func(id int32) string // the text of a token by itself
	infer  infer.Request
	only   bool // the prompt alone is wanted, with no token drawn
	tokens []infer.Token
	texts  []string // of the tokens
	text   strings.Builder
	usage  infer.Usage
	finish string
	failed error
	calls  *callReader // nil without tools
}

// pieces receives the text of a choice as it comes, with the tokens that it is of.
type pieces func(c *choice, text string, from int)

// run completes a choice.
func (s *Server) run(ctx context.Context, c *choice, emit pieces) {
	before := c.infer.Prompt
	if c.infer.Echo {
		before = nil
	}
	text := s.m.NewText(c.stops, before...)
	plain := s.m.NewText(nil, before...)
	prompt, stopped := 0, false
	if c.infer.Echo {
		prompt = len(c.infer.Prompt)
	}
	from := 0
	c.usage, c.failed = s.s.Complete(ctx, c.infer, func(t infer.Token) bool {
		echoed := len(c.tokens) < prompt
		if c.only && !echoed {
			return false
		}
		if t.Ends {
			c.tokens, c.texts = append(c.tokens, t), append(c.texts, "")
			return true
		}
		piece, _ := plain.Add(t.ID)
		c.tokens, c.texts = append(c.tokens, t), append(c.texts, piece)
		if echoed { // no stop string ends a prompt
			c.text.WriteString(piece)
			if from = len(c.tokens); from == prompt {
				text = s.m.NewText(c.stops, c.infer.Prompt...)
				emit(c, c.text.String(), 0)
			}
			return true
		}
		out, more := text.Add(t.ID)
		c.text.WriteString(out)
		if out != "" {
			emit(c, out, from)
			from = len(c.tokens)
		}
		stopped = !more
		return more
	})
	c.finish = string(c.usage.Finish)
	if stopped {
		c.finish = string(infer.Stopped)
	}
	if c.only {
		c.finish, c.usage.Drawn = string(infer.Length), 0
	}
	if errors.Is(c.failed, context.DeadlineExceeded) && c.usage.Drawn > 0 {
		c.failed, c.finish = nil, string(infer.Length)
	}
	if rest := text.End(); !c.only && (rest != "" || c.infer.LogProbs > 0 && from < len(c.tokens)) {
		c.text.WriteString(rest)
		emit(c, rest, from)
	}
}

// usage is OpenAI's.
type usage struct {
	Prompt  int `json:"prompt_tokens"`
	Drawn   int `json:"completion_tokens"`
	Total   int `json:"total_tokens"`
	Details struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

func sum(choices []*choice) usage {
	var u usage
	prompts := map[*int32]bool{}
	for _, c := range choices {
		u.Drawn += c.usage.Drawn
		if first := &c.infer.Prompt[0]; !prompts[first] { // several choices of one prompt
			prompts[first] = true
			u.Prompt += c.usage.Prompt
			u.Details.Cached += c.usage.Cached
		}
	}
	u.Total = u.Prompt + u.Drawn
	return u
}

// head is what every object of an answer begins with.
type head struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
}

func (s *Server) head(prefix, object string) head {
	return head{newID(prefix), object, time.Now().Unix(), s.o.Name}
}

func newID(prefix string) string {
	var id [12]byte
	_, _ = rand.Read(id[:])
	return prefix + hex.EncodeToString(id[:])
}

// answer is a completion, or a chunk of one.
type answer struct {
	head
	Choices []any  `json:"choices"`
	Usage   *usage `json:"usage,omitempty"`
}

// form makes the JSON of choices.
type form interface {
	whole(c *choice) any
	// chunk is of a piece of a choice's text and its tokens from one on; opening and
	// closing are what a stream of a choice begins and ends with, nil for nothing.
	chunk(c *choice, text string, from int) any
	opening(c *choice) any
	closing(c *choice) any
}

// answer completes the choices, all at once, and answers in one piece or as a stream.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, rq *request, choices []*choice, h head, f form) error {
	ctx, cancel := context.WithTimeout(r.Context(), s.o.Timeout)
	defer cancel()
	if rq.Stream {
		return s.stream(ctx, w, rq, choices, h, f)
	}
	var running sync.WaitGroup
	for _, c := range choices {
		running.Go(func() { s.run(ctx, c, func(*choice, string, int) {}) })
	}
	running.Wait()
	a := answer{head: h}
	for _, c := range choices {
		if c.failed != nil {
			return timedOut(c.failed)
		}
		a.Choices = append(a.Choices, f.whole(c))
	}
	u := sum(choices)
	a.Usage = &u
	return reply(w, a)
}

// timedOut says of a request that ended before it began that the server was busy.
func timedOut(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &apiError{status: http.StatusServiceUnavailable, Message: "the request took too long", Type: "api_error"}
	}
	return err
}

// keepAlive is how often a stream says that it is still there.
const keepAlive = 15 * time.Second

// stream sends pieces as server-sent events.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, rq *request, choices []*choice, h head, f form) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type event struct {
		c      *choice
		object any
		ends   bool
	}
	events := make(chan event)
	send := func(e event) {
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}
	var running sync.WaitGroup
	for _, c := range choices {
		running.Go(func() {
			s.run(ctx, c, func(c *choice, text string, from int) { send(event{c: c, object: f.chunk(c, text, from)}) })
			send(event{c: c, ends: true})
		})
	}
	defer running.Wait()
	defer cancel()
	out := &eventStream{w: w, control: http.NewResponseController(w), head: h}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for left := len(choices); left > 0; {
		select {
		case <-ctx.Done():
			return out.fail(timedOut(ctx.Err()))
		case <-alive.C:
			if out.began {
				if err := out.write(": still there\n\n"); err != nil {
					return nil
				}
			}
		case e := <-events:
			if e.ends && e.c.failed != nil {
				return out.fail(timedOut(e.c.failed))
			}
			if !out.opened[e.c.index] {
				out.open(e.c.index)
				if o := f.opening(e.c); o != nil {
					out.object(o, nil)
				}
			}
			if e.object != nil {
				out.object(e.object, nil)
			}
			if e.ends {
				left--
				out.object(f.closing(e.c), nil)
			}
			if out.err != nil {
				return nil // nobody is there any more
			}
		}
	}
	if rq.StreamOptions.IncludeUsage {
		u := sum(choices)
		out.object(nil, &u)
	}
	_ = out.write("data: [DONE]\n\n")
	return nil
}

// eventStream writes server-sent events.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	head    head
	began   bool
	opened  map[int]bool
	err     error
}

func (e *eventStream) open(index int) {
	if e.opened == nil {
		e.opened = map[int]bool{}
	}
	e.opened[index] = true
}

// patience is how long a reader may take for one event.
const patience = 30 * time.Second

func (e *eventStream) write(text string) error {
	if e.err != nil {
		return e.err
	}
	if !e.began {
		e.began = true
		e.w.Header().Set("Content-Type", "text/event-stream")
		e.w.Header().Set("Cache-Control", "no-cache")
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(patience)) // not every writer has one
	if _, e.err = e.w.Write([]byte(text)); e.err == nil {
		e.err = e.control.Flush()
	}
	return e.err
}

func (e *eventStream) object(choice any, u *usage) {
	a := answer{head: e.head, Choices: []any{}, Usage: u}
	if choice != nil {
		a.Choices = append(a.Choices, choice)
	}
	raw, err := json.Marshal(a)
	if err != nil {
		e.err = err
		return
	}
	_ = e.write("data: " + string(raw) + "\n\n")
}

// fail answers with an error, as an event where the stream has begun.
func (e *eventStream) fail(err error) error {
	if !e.began {
		return err
	}
	raw, _ := json.Marshal(map[string]*apiError{"error": known(err)})
	_ = e.write("data: " + string(raw) + "\n\n")
	return nil
}

func (s *Server) completions(w http.ResponseWriter, r *http.Request) error {
	var rq completionRequest
	if err := read(r, &rq); err != nil {
		return err
	}
	o, n, stops, err := s.options(&rq.request)
	if err != nil {
		return err
	}
	prompts, err := s.prompts(rq.Prompt)
	if err != nil {
		return err
	}
	f := completionForm{}
	if rq.LogProbs != nil {
		if f.logProbs = *rq.LogProbs; f.logProbs < 0 || f.logProbs > maxLogProbs {
			return invalid("logprobs", "logprobs (%d) must lie between 0 and %d", f.logProbs, maxLogProbs)
		}
		f.wanted, o.LogProbs = true, max(f.logProbs, 1)
	}
	if n*len(prompts) > s.o.MaxChoices {
		return invalid("n", "%d prompts times n of %d are more than %d", len(prompts), n, s.o.MaxChoices)
	}
	only := o.MaxTokens == 0
	if only && !rq.Echo {
		return invalid("max_tokens", "max_tokens of 0 needs echo")
	}
	o.MaxTokens = max(o.MaxTokens, 1)
	var choices []*choice
	for _, ids := range prompts {
		if err := s.fits(ids, rq.Echo); err != nil {
			return err
		}
		for range n {
			c := &choice{index: len(choices), stops: stops, piece: s.piece, only: only, infer: infer.Request{Prompt: ids, Options: o, Echo: rq.Echo, End: f.wanted}}
			c.infer.Seed += uint64(c.index)
			choices = append(choices, c)
		}
	}
	return s.answer(w, r, &rq.request, choices, s.head("cmpl-", "text_completion"), f)
}

// completionForm is that of /v1/completions.
type completionForm struct {
	wanted   bool // log-probabilities are
	logProbs int
}

type completionChoice struct {
	Index    int              `json:"index"`
	Text     string           `json:"text"`
	LogProbs *completionProbs `json:"logprobs"`
	Finish   *string          `json:"finish_reason"`
}

type completionProbs struct {
	Tokens   []string             `json:"tokens"`
	LogProbs []*float64           `json:"token_logprobs"`
	Top      []map[string]float64 `json:"top_logprobs"`
	Offsets  []int                `json:"text_offset"`
}

func (f completionForm) probs(c *choice, from int) *completionProbs {
	if !f.wanted {
		return nil
	}
	p, offset := &completionProbs{}, 0
	for i, t := range c.tokens {
		if i >= from {
			p.Tokens = append(p.Tokens, c.texts[i])
			p.Offsets = append(p.Offsets, offset)
			if c.infer.Echo && i == 0 {
				p.LogProbs, p.Top = append(p.LogProbs, nil), append(p.Top, nil)
			} else {
				p.LogProbs = append(p.LogProbs, &t.LogProb)
				top := map[string]float64{}
				for _, x := range t.Top[:min(f.logProbs, len(t.Top))] {
					if text := c.piece(x.ID); top[text] == 0 || x.LogProb > top[text] {
						top[text] = x.LogProb
					}
				}
				p.Top = append(p.Top, top)
			}
		}
		offset += len([]rune(c.texts[i]))
	}
	return p
}

func (f completionForm) whole(c *choice) any {
	return completionChoice{c.index, c.text.String(), f.probs(c, 0), &c.finish}
}

func (f completionForm) chunk(c *choice, text string, from int) any {
	return completionChoice{c.index, text, f.probs(c, from), nil}
}

func (f completionForm) opening(c *choice) any { return nil }

func (f completionForm) closing(c *choice) any {
	return completionChoice{Index: c.index, Finish: &c.finish}
}
