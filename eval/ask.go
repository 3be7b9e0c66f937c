package eval

import (
	"context"
	"fmt"
	"slices"

	"mobilellm/infer"
	"mobilellm/tokenizer/chat"
)

// Ask puts the questions of samples to a model. A question that several samples have, by
// whatever protocol, is put once.
func Ask(ctx context.Context, m *infer.Model, samples []Sample, o Options) ([]Result, error) {
	known := o.Journal.known()
	var results []Result
	for _, s := range samples {
		list, err := s.ask(ctx, m, known, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Task.Name, err)
		}
		if o.Keep != nil {
			if err := o.Keep(s, list); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Task.Name, err)
			}
		}
		results = append(results, s.result(list))
	}
	return results, nil
}

// ask answers the items, of which it puts to the model what is not known.
func (s Sample) ask(ctx context.Context, m *infer.Model, known answers, o Options) ([]Answer, error) {
	list := make([]Answer, len(s.Items))
	var left []Item
	waiting := map[string][]int{} // for a part, by its hash: items
	for i, item := range s.Items {
		a, ok := known.find(item)
		if ok {
			list[i] = a
			if err := o.Journal.add(s, i, a); err != nil {
				return nil, err
			}
			continue
		}
		for _, part := range parts(item) {
			hash := hashOf(part)
			if _, ok := known.of(part); ok {
				continue
			}
			if waiting[hash] == nil {
				left = append(left, part)
			}
			waiting[hash] = append(waiting[hash], i)
		}
	}
	if len(left) == 0 {
		return list, nil
	}
	scorer := NewScorer(m, func(done, total int64) {
		if o.Progress != nil {
			o.Progress(s.Task.Name, done, total)
		}
	})
	put := scorer.Score
	switch s.Task.Kind {
	case Rolling:
		put = scorer.Roll
	case Generation:
		put = scorer.Generate
	case Chat:
		template := o.Template
		if template == nil {
			var err error
			if template, err = chat.For(m.Tokenizer, false); err != nil {
				return nil, err
			}
		}
		put = func(ctx context.Context, items []Item, answer func(i int, a Answer) error) error {
			return scorer.Chat(ctx, template, items, answer)
		}
	}
	return list, put(ctx, left, func(i int, a Answer) error {
		hash := hashOf(left[i])
		known[hash] = a
		for _, at := range waiting[hash] {
			var ok bool
			if list[at], ok = known.find(s.Items[at]); !ok {
				continue
			}
			if err := o.Journal.add(s, at, list[at]); err != nil {
				return err
			}
		}
		return nil
	})
}

// parts are the questions that an item is put as: itself, or itself without priors and the
// continuations after those, which are one question of all items that have the same.
func parts(item Item) []Item {
	var priors Item
	bare := item
	bare.Requests = slices.Clone(item.Requests)
	for i, r := range item.Requests {
		if r.Prior != "" {
			bare.Requests[i].Prior = ""
			priors.ID = r.Prior
			priors.Requests = append(priors.Requests, Request{Context: r.Prior, Continuation: r.Continuation})
		}
	}
	if len(priors.Requests) == 0 {
		return []Item{item}
	}
	return []Item{bare, priors}
}

// answers are those that are known, by the hash of the question.
type answers map[string]Answer

// find is the answer to an item that is known, or whose parts are.
func (known answers) find(item Item) (Answer, bool) {
	a, ok := known.of(item)
	p := parts(item)
	if ok || len(p) == 1 {
		return a, ok
	}
	if a, ok = known.of(p[0]); !ok {
		return Answer{}, false
	}
	priors, ok := known.of(p[1])
	if !ok {
		return Answer{}, false
	}
	a.Scores = slices.Clone(a.Scores)
	for i, r := range item.Requests {
		if r.Prior != "" {
			a.Scores[i].Prior = priors.Scores[0].LogProb
			priors.Scores = priors.Scores[1:]
		}
	}
	return a, true
}

// of is the answer to a question, which has a score for each request.
func (known answers) of(item Item) (Answer, bool) {
	a, ok := known[hashOf(item)]
	return a, ok && len(a.Scores) == len(item.Requests)
}
