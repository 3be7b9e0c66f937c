package training

import (
	"context"
	"errors"
	"fmt"

	"mobilellm/infer"
	"mobilellm/train"
)

// sampleTokens is how long a sample is at most.
const sampleTokens = 50

// Sample is a train.Sampler: drawn at temperature 0.8 from the likeliest tokens that have
// a probability of 0.95 together.
func Sample(ctx context.Context, t train.TaskModel, prompts []string, seed uint64) (list []train.Sample, err error) {
	m, err := load(t, infer.LoadOptions{CacheTokens: min(t.Config.Context, train.TaskCacheTokens)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for _, prompt := range prompts {
		ids := m.Tokenizer.Prompt(prompt)
		if len(ids) == 0 {
			return nil, fmt.Errorf("%q is no token, and this tokenizer opens a text by none", prompt)
		}
		text, words := m.NewText(nil, ids...), ""
		err := m.Generate(ctx, ids, infer.Options{MaxTokens: sampleTokens, Temperature: 0.8, TopP: 0.95, Slide: true, Seed: seed}, func(id int32) {
			more, _ := text.Add(id)
			words += more
		})
		if err != nil {
			return nil, fmt.Errorf("%q: %w", prompt, err)
		}
		list = append(list, train.Sample{Prompt: prompt, Text: words + text.End()})
	}
	return list, nil
}
