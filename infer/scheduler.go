package infer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Request is a text to continue.
type Request struct {
	Prompt []int32 // a token at least
	Options
	// Echo hands out the prompt's tokens first, with their log-probabilities but for
	// the first's.
	Echo bool
	// End hands out the token that ends the text, too.
	End bool
}

// Finish is why a continuation ended.
type Finish string

// The ways to end.
const (
	Stopped Finish = "stop"   // a token that ends texts, the end of the grammar, or the caller
	Length  Finish = "length" // MaxTokens or the context
)

// Usage is what a request cost.
type Usage struct {
	Prompt int // tokens of the prompt
	Cached int // of these, were not computed again
	Drawn  int // tokens drawn, handed out or not
	Finish Finish
}

// ErrBusy says that a scheduler's queue is full.
var ErrBusy = errors.New("too many requests wait")

// ErrClosed says that a scheduler has ended.
var ErrClosed = errors.New("the model is being closed")

// Scheduler shares a model among requests. Its methods may be called concurrently.
type Scheduler struct {
	m     *Model
	queue int // most requests that wait

	mu      sync.Mutex
	waiting []*job
	closed  bool
	wake    chan struct{}
	done    chan struct{}
	active  []*job // by slot, nil where none
	used    []int  // when each slot was last given, for the one unused longest
	clock   int
	stats   Stats
	steps   []Step // of a run, reused
}

// Stats are counts since a scheduler began.
type Stats struct {
	Active, Waiting, Slots int
	Prompt, Cached, Drawn  int64 // tokens
	Finished, Refused      int64 // requests
}

// job is a request that runs or waits.
type job struct {
	Request
	ctx     context.Context
	out     chan Token // what is handed out; closed at the end
	sampler *sampler
	slot    int
	left    []int32 // tokens that are not computed yet
	tokens  []int32 // the whole text
	opening int     // tokens that stay when the text slides
	usage   Usage
	err     error
}

// piece is how many tokens of prompts are computed in one run, beside those that
// others wait for.
const piece = 256

// longest is how many tokens of a text may wait for whoever reads them, where it goes on
// beyond the context; then the model waits.
const longest = 1 << 14

// NewScheduler takes the model, which nobody else may use until Close. Beyond queue
// waiting requests more are refused.
func NewScheduler(m *Model, queue int) *Scheduler {
	s := &Scheduler{
		m: m, queue: queue, wake: make(chan struct{}, 1), done: make(chan struct{}),
		active: make([]*job, m.Slots()), used: make([]int, m.Slots()),
	}
	go s.loop()
	return s
}

// Close ends requests that wait or run with ErrClosed, and returns when none is left.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.notify()
	<-s.done
}

// Stats are the counts.
func (s *Scheduler) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Waiting, st.Slots = len(s.waiting), len(s.active)
	for _, j := range s.active {
		if j != nil {
			st.Active++
		}
	}
	return st
}

func (s *Scheduler) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// check reports what is wrong with a request.
func (s *Scheduler) check(r Request) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if len(r.Prompt) == 0 {
		return errors.New("the prompt has no token to go on from")
	}
	if n := len(r.Prompt); n >= s.m.Context() && !r.Slide && !(r.Echo && n == s.m.Context()) {
		return fmt.Errorf("the prompt has %d tokens, which leaves none of the context of %d", n, s.m.Context())
	}
	return nil
}

// Complete continues a text and hands its tokens to emit, which ends it by returning
// false. The token that ends the text is not handed out unless the request asks for it. It
// returns ErrBusy where too many wait already, and ctx's error when that ends.
func (s *Scheduler) Complete(ctx context.Context, r Request, emit func(Token) bool) (Usage, error) {
	if err := s.check(r); err != nil {
		return Usage{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &job{
		Request: r, ctx: ctx, sampler: newSampler(r.Options), slot: -1,
		out: make(chan Token, min(len(r.Prompt)+r.MaxTokens, max(s.m.Context(), longest))+1),
	}
	j.begin(s.m)
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return Usage{}, ErrClosed
	case len(s.waiting) >= s.queue && !s.free():
		s.stats.Refused++
		s.mu.Unlock()
		return Usage{}, ErrBusy
	}
	s.waiting = append(s.waiting, j)
	s.mu.Unlock()
	s.notify()
	for t := range j.out {
		if !emit(t) {
			cancel()
			for range j.out { // until the loop has seen it
			}
			j.usage.Finish = Stopped
			return j.usage, nil
		}
	}
	return j.usage, j.err
}

// free reports whether a request would begin at once.
func (s *Scheduler) free() bool { return len(s.waiting) == 0 && slices.Contains(s.active, nil) }

// begin makes the text of the prompt, cut where it slides.
func (j *job) begin(m *Model) {
	j.opening = min(agree(m.Tokenizer.Opening(), j.Prompt), m.Context()/2)
	j.tokens = slices.Clone(j.Prompt)
	j.usage.Prompt = len(j.Prompt)
	if len(j.tokens) >= m.Context() && j.Slide {
		j.slide(m.Context())
	}
}

// slide forgets the oldest half of what the context holds, but for what opened it.
func (j *job) slide(context int) {
	keep := max(1, (context-j.opening)/2)
	j.tokens = slices.Delete(j.tokens, j.opening, len(j.tokens)-keep)
}

// loop runs the model until the scheduler is closed.
func (s *Scheduler) loop() {
	defer close(s.done)
	for {
		if !s.admit() {
			return
		}
		if s.idle() {
			<-s.wake
			continue
		}
		if err := s.run(); err != nil {
			for _, j := range s.active {
				if j != nil {
					s.end(j, err)
				}
			}
		}
	}
}

func (s *Scheduler) idle() bool {
	return !slices.ContainsFunc(s.active, func(j *job) bool { return j != nil })
}

// admit gives free slots to requests that wait, and ends those that nobody waits for.
// It reports whether the scheduler goes on.
func (s *Scheduler) admit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.active {
		if j != nil && (j.ctx.Err() != nil || s.closed) {
			s.endLocked(j, s.reason(j))
		}
	}
	left := s.waiting[:0]
	for _, j := range s.waiting {
		switch {
		case j.ctx.Err() != nil || s.closed:
			s.endLocked(j, s.reason(j))
		case !slices.Contains(s.active, nil):
			left = append(left, j)
		default:
			s.begin(j)
		}
	}
	clear(s.waiting[len(left):])
	s.waiting = left
	return !s.closed
}

func (s *Scheduler) reason(j *job) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// begin gives a request the free slot whose tokens agree longest with its own; of
// several the one unused longest.
func (s *Scheduler) begin(j *job) {
	best, common := -1, 0
	for slot, other := range s.active {
		if other != nil {
			continue
		}
		n := agree(s.m.Tokens(slot), j.tokens)
		if best < 0 || n > common || n == common && s.used[slot] < s.used[best] {
			best, common = slot, n
		}
	}
	if j.Echo { // the logits of all are wanted
		common = 0
	}
	common = min(common, len(j.tokens)-1)
	s.m.Truncate(best, common)
	j.slot, j.left = best, j.tokens[common:]
	j.usage.Cached = common
	s.active[best] = j
	s.clock++
	s.used[best] = s.clock
	s.stats.Prompt += int64(len(j.tokens))
	s.stats.Cached += int64(common)
	if j.Echo {
		j.out <- Token{Candidate: Candidate{ID: j.tokens[0]}}
	}
}

// run computes a token of each text that has its prompt behind it, and some of others'
// prompts.
func (s *Scheduler) run() error {
	steps, left := s.steps[:0], piece
	for _, j := range s.active {
		if j == nil {
			continue
		}
		n := len(j.left)
		if n > 1 {
			n = min(n, left)
			left -= n
		}
		if n == 0 {
			continue
		}
		step := Step{Slot: j.slot, Tokens: j.left[:n]}
		echoes := j.Echo && len(j.left) > 1
		if echoes {
			step.Last = n
		}
		if last := n == len(j.left); last || echoes {
			left := j.left
			step.Logits = func(i int, logits []float32) { s.logits(j, left, i, logits) }
		}
		j.left = j.left[n:]
		steps = append(steps, step)
	}
	s.steps = steps
	for s.m.forward.room(steps) != nil && s.forget() {
	}
	return s.m.Forward(steps)
}

// forget drops what the slot has that nobody has used for longest, for texts that run to
// have room in the cache; false where there is none.
func (s *Scheduler) forget() bool {
	oldest := -1
	for slot, j := range s.active {
		if j == nil && len(s.m.Tokens(slot)) > 0 && (oldest < 0 || s.used[slot] < s.used[oldest]) {
			oldest = slot
		}
	}
	if oldest < 0 {
		return false
	}
	s.m.Truncate(oldest, 0)
	return true
}

// logits takes what follows left[i] of a text.
func (s *Scheduler) logits(j *job, left []int32, i int, logits []float32) {
	logits = logits[:min(s.m.Tokenizer.VocabSize(), len(logits))] // rows beyond stand for no text
	if i+1 < len(left) {
		id := left[i+1] // of the prompt, which is echoed
		if int(id) < len(logits) {
			j.out <- judged(id, logits, j.LogProbs)
		} else {
			j.out <- Token{Candidate: Candidate{ID: id}}
		}
		return
	}
	j.Echo = false
	id, err := j.sampler.next(logits, j.tokens)
	if err != nil {
		s.end(j, err)
		return
	}
	j.usage.Drawn++
	s.mu.Lock()
	s.stats.Drawn++
	s.mu.Unlock()
	ends := s.m.Tokenizer.Special().Ends(id)
	if !ends || j.End {
		t := Token{Candidate: Candidate{ID: id}}
		if j.LogProbs > 0 {
			t = judged(id, logits, j.LogProbs)
		}
		t.Ends = ends
		select {
		case j.out <- t:
		case <-j.ctx.Done():
			return // the next run ends it
		}
	}
	if ends {
		j.usage.Finish = Stopped
		s.end(j, nil)
		return
	}
	j.tokens = append(j.tokens, id)
	final, err := j.sampler.accept(id)
	switch {
	case err != nil:
		s.end(j, err)
	case final:
		j.usage.Finish = Stopped
		s.end(j, nil)
	case j.usage.Drawn == j.MaxTokens || len(j.tokens) >= s.m.Context() && !j.Slide:
		j.usage.Finish = Length
		s.end(j, nil)
	case len(j.tokens) >= s.m.Context():
		j.slide(s.m.Context())
		common := agree(s.m.Tokens(j.slot), j.tokens)
		s.m.Truncate(j.slot, common)
		j.left = j.tokens[common:]
	default:
		j.left = j.tokens[len(j.tokens)-1:]
	}
}

func (s *Scheduler) end(j *job, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(j, err)
}

func (s *Scheduler) endLocked(j *job, err error) {
	j.err = err
	if j.slot >= 0 {
		s.active[j.slot] = nil
	}
	s.stats.Finished++
	close(j.out)
}
