package eval

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"mobilellm/infer"
)

// together is how many texts are generated at once.
const together = 32

// Generate answers items with what the model finds likeliest to follow their first
// request's context, up to 256 tokens, a text that ends it (Item.Until) or a token that
// does. A context that is too long keeps its last tokens.
func (s *Scorer) Generate(ctx context.Context, items []Item, answer func(i int, a Answer) error) error {
	type prompt struct {
		item         int
		ids          []int32
		dropped, cut int
	}
	prompts := make([]prompt, len(items))
	for i, item := range items {
		if len(item.Requests) != 1 {
			return fmt.Errorf("item %s: %d prompts, want one", item.ID, len(item.Requests))
		}
		ids, dropped, cut, err := s.encoder.prompt(item.Shots, item.Requests[0].Context)
		if err != nil {
			return fmt.Errorf("item %s: %w", item.ID, err)
		}
		prompts[i] = prompt{i, ids, dropped, cut}
	}
	slices.SortStableFunc(prompts, func(a, b prompt) int { return cmp.Compare(len(b.ids), len(a.ids)) })

	scheduler := infer.NewScheduler(s.m, len(prompts))
	defer scheduler.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // over answers
	var done int64
	s.progress(0, int64(len(prompts)))
	next := make(chan prompt)
	var group sync.WaitGroup
	for range min(together, s.m.Slots()) {
		group.Go(func() {
			for p := range next {
				text, err := s.generate(ctx, scheduler, p.ids, items[p.item].Until)
				mu.Lock()
				if err == nil {
					err = answer(p.item, Answer{Text: text, Dropped: p.dropped, Scores: []Score{{Cut: p.cut}}})
				}
				if err != nil {
					cancel(err)
				}
				done++
				s.progress(done, int64(len(prompts)))
				mu.Unlock()
			}
		})
	}
feed:
	for _, p := range prompts {
		select {
		case next <- p:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	group.Wait()
	return context.Cause(ctx)
}

// generate is the likeliest text after a prompt, up to any of the texts that end it.
func (s *Scorer) generate(ctx context.Context, scheduler *infer.Scheduler, ids []int32, until []string) (string, error) {
	text := s.m.NewText(until, ids...)
	var out strings.Builder
	_, err := scheduler.Complete(ctx, infer.Request{Prompt: ids, Options: infer.Options{MaxTokens: generated}}, func(t infer.Token) bool {
		piece, more := text.Add(t.ID)
		out.WriteString(piece)
		return more
	})
	out.WriteString(text.End())
	return out.String(), err
}
