package eval

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"mobilellm/engine/op"
	"mobilellm/infer"
	"mobilellm/infer/grammar"
	"mobilellm/tokenizer/chat"
)

// Chat answers conversations, rendered by the template, and those that go on a turn after
// the other, each with the answers before. Where a conversation does not fit the model's
// context, its oldest question and answer fall away.
func (s *Scorer) Chat(ctx context.Context, template *chat.Template, items []Item, answer func(i int, a Answer) error) error {
	total := int64(0)
	order := make([]int, len(items))
	for i, item := range items {
		order[i] = i
		total += int64(1 + len(item.Further))
	}
	length := func(i int) (n int) {
		for _, m := range items[i].Messages {
			n += len(m.Content)
		}
		return n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(length(b), length(a)) })
	t := &talk{scorer: s, template: template, scheduler: infer.NewScheduler(s.m, len(items)), grammars: map[string]*grammar.Grammar{}}
	t.blocks = make(chan struct{}, max(s.capacity(), blocksOf(s.m.Context())))
	for range cap(t.blocks) {
		t.blocks <- struct{}{}
	}
	defer t.scheduler.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // over answers
	var done int64
	s.progress(0, total)
	next := make(chan int)
	var group sync.WaitGroup
	for range min(together, s.m.Slots()) {
		group.Go(func() {
			for i := range next {
				a, err := t.answer(ctx, items[i], func() {
					mu.Lock()
					defer mu.Unlock()
					done++
					s.progress(done, total)
				})
				mu.Lock()
				if err == nil {
					err = answer(i, a)
				} else if ctx.Err() == nil {
					err = fmt.Errorf("item %s: %w", items[i].ID, err)
				}
				mu.Unlock()
				if err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for _, i := range order {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	group.Wait()
	return context.Cause(ctx)
}

// talk is what conversations that are answered at once share.
type talk struct {
	scorer    *Scorer
	template  *chat.Template
	scheduler *infer.Scheduler

	taking sync.Mutex
	blocks chan struct{} // of the KV cache, that nobody has taken

	mu       sync.Mutex
	grammars map[string]*grammar.Grammar // by the APIs that they are of
}

func blocksOf(tokens int) int { return (tokens + op.CacheBlock - 1) / op.CacheBlock }

// take claims blocks for so many tokens, and returns what gives them back.
func (t *talk) take(tokens int) func() {
	n := min(blocksOf(tokens), cap(t.blocks))
	t.taking.Lock()
	defer t.taking.Unlock()
	for range n {
		<-t.blocks
	}
	return func() {
		for range n {
			t.blocks <- struct{}{}
		}
	}
}

// answer gives the answers to an item.
func (t *talk) answer(ctx context.Context, item Item, answered func()) (Answer, error) {
	g, err := t.grammarOf(item.Calls)
	if err != nil {
		return Answer{}, err
	}
	messages := slices.Clone(item.Messages)
	o := infer.Options{Temperature: item.Temperature, Grammar: g, Seed: seedOf(item)}
	var a Answer
	for i := 0; ; i++ {
		o.MaxTokens = min(cmp.Or(item.MaxTokens, generated), t.scorer.m.Context()/2)
		ids, dropped, err := t.prompt(ctx, messages, t.scorer.m.Context()-o.MaxTokens)
		if err != nil {
			return a, err
		}
		a.Dropped += dropped
		turn, err := t.complete(ctx, ids, o)
		if err != nil {
			return a, err
		}
		a.Turns = append(a.Turns, turn)
		answered()
		if i == len(item.Further) {
			return a, nil
		}
		messages = append(messages, chat.Message{Role: "assistant", Content: turn.Text}, chat.Message{Role: "user", Content: item.Further[i]})
	}
}

// seedOf is a number of the item's own.
func seedOf(item Item) uint64 { return binary.BigEndian.Uint64([]byte(hashOf(item))) }

func (t *talk) complete(ctx context.Context, ids []int32, o infer.Options) (Turn, error) {
	defer t.take(len(ids) + o.MaxTokens)()
	text := t.scorer.m.NewText(nil, ids...)
	var out strings.Builder
	usage, err := t.scheduler.Complete(ctx, infer.Request{Prompt: ids, Options: o}, func(token infer.Token) bool {
		piece, _ := text.Add(token.ID)
		out.WriteString(piece)
		return true
	})
	out.WriteString(text.End())
	return Turn{Text: strings.TrimSpace(out.String()), Ended: usage.Finish == infer.Stopped}, err
}

// prompt is a conversation's ids, without its oldest questions where it is longer than room.
func (t *talk) prompt(ctx context.Context, messages []chat.Message, room int) (ids []int32, dropped int, err error) {
	tok := t.scorer.m.Tokenizer
	for {
		in := chat.Input{Messages: messages, AddGenerationPrompt: true}
		in.BOS, in.EOS = tok.TemplateTokens()
		text, err := t.template.Render(ctx, in)
		if err != nil {
			return nil, 0, err
		}
		ids := tok.Encode([]byte(text))
		first := 0
		if messages[0].Role == "system" {
			first = 1
		}
		switch {
		case len(ids) == 0:
			return nil, 0, errors.New("the chat template makes no text of the conversation")
		case len(ids) <= room:
			return ids, dropped, nil
		case len(messages) < first+3:
			return nil, 0, fmt.Errorf("the conversation has %d tokens, where the model's context leaves %d\nhint: a model of a longer context", len(ids), room)
		}
		messages = slices.Delete(slices.Clone(messages), first, first+2)
		dropped += 2
	}
}

// grammarOf is that of an answer with a call of one of the APIs; nil without any.
func (t *talk) grammarOf(apis []grammar.API) (*grammar.Grammar, error) {
	if len(apis) == 0 {
		return nil, nil
	}
	key, err := json.Marshal(apis)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.grammars[string(key)]; g != nil {
		return g, nil
	}
	p, err := grammar.Calls(apis, true)
	if err != nil {
		return nil, err
	}
	g := t.scorer.m.Vocabulary().Grammar(p)
	t.grammars[string(key)] = g
	return g, nil
}

// Ended is the share of answers that the model itself ended, by its end-of-turn token.
var Ended = Measure{Name: "ended", Item: func(_ Item, a Answer) float64 {
	n := 0
	for _, turn := range a.Turns {
		if turn.Ended {
			n++
		}
	}
	return float64(n) / float64(max(len(a.Turns), 1))
}}
