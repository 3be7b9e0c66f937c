package infer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
)

// Options shape a continuation.
type Options struct {
	MaxTokens   int
	Temperature float64 // divides the logits; 0 always takes the likeliest token
	TopK        int     // only so many of the likeliest tokens are drawn from; 0 for all
	TopP        float64 // only the likeliest that together have this probability; 0 and 1 for all
	Seed        uint64
}

// Validate reports the first option that is out of range.
func (o Options) Validate() error {
	switch {
	case o.MaxTokens < 1:
		return fmt.Errorf("max-tokens (%d) must be at least 1", o.MaxTokens)
	case !(o.Temperature >= 0) || math.IsInf(o.Temperature, 0):
		return fmt.Errorf("temperature (%g) must not be negative", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("top-k (%d) must not be negative", o.TopK)
	case !(o.TopP >= 0 && o.TopP <= 1):
		return fmt.Errorf("top-p (%g) must lie between 0 and 1", o.TopP)
	}
	return nil
}

// Generate continues a prompt, which has a token at least, and hands each new
// token to emit. It stops after MaxTokens, at a token that ends texts, which is not
// handed out, or when ctx ends, with ctx's error. The same seed gives the same
// tokens.
func (m *Model) Generate(ctx context.Context, prompt []int32, o Options, emit func(id int32)) error {
	if err := o.Validate(); err != nil {
		return err
	}
	special := m.Tokenizer.Special()
	s := newSampler(o)
	ids := append([]int32(nil), prompt...)
	for range o.MaxTokens {
		if err := ctx.Err(); err != nil {
			return err
		}
		logits, err := m.Logits(ids)
		if err != nil {
			return err
		}
		id := s.next(logits[:min(m.Tokenizer.VocabSize(), len(logits))]) // rows beyond stand for no text
		if special.Ends(id) {
			return nil
		}
		emit(id)
		ids = append(ids, id)
	}
	return nil
}

// sampler draws tokens.
type sampler struct {
	o          Options
	rng        *rand.Rand
	candidates []candidate
}

type candidate struct {
	id    int32
	value float64 // logit, then weight
}

func newSampler(o Options) *sampler {
	return &sampler{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0))}
}
