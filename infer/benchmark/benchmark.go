// Package benchmark measures inference in the rows of llama.cpp's llama-bench: the
// speed of prompts (pp512), of tokens one after the other (tg128), behind a text
// (tg128 @ d1024), and of several texts at once. Sampling and tokenizing are left out.
package benchmark

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"mobilellm/infer"
)

// Test is a row: tokens of a prompt, or tokens one by one, behind Depth others, of
// Batch texts at once.
type Test struct {
	Prompt, Tokens, Depth, Batch int
}

// String is the test's name as llama-bench has it.
func (t Test) String() string {
	name := fmt.Sprintf("tg%d", t.Tokens)
	if t.Prompt > 0 {
		name = fmt.Sprintf("pp%d", t.Prompt)
	}
	if t.Depth > 0 {
		name += fmt.Sprintf(" @ d%d", t.Depth)
	}
	return name
}

// length is what a text grows to.
func (t Test) length() int { return t.Depth + t.Prompt + t.Tokens }

// Row is a test's result.
type Row struct {
	Test      string  `json:"test"`
	Batch     int     `json:"batch"`
	Speed     float64 `json:"tokens_per_second"` // of all texts together, the mean of repeats
	Deviation float64 `json:"deviation"`         // the standard deviation of repeats
	// Share is the part of the machine's limit that was reached: for tokens one by one
	// of its read bandwidth by the weights and the cache that each step reads, for a
	// prompt of its matmul peak.
	Share float64 `json:"share"`
}

// Limits are what a machine can do.
type Limits struct {
	Read float64 // bytes per second
	Peak float64 // FLOP/s
}

// Run measures the tests, each after one run to warm up.
func Run(ctx context.Context, m *infer.Model, tests []Test, repeats int, l Limits, row func(Row)) error {
	for _, t := range tests {
		if t.length() > m.Context() || t.Batch > m.Slots() {
			return fmt.Errorf("benchmark: %v of %d texts needs a context of %d and as many slots, the model has %d and %d", t, t.Batch, t.length(), m.Context(), m.Slots())
		}
		var speeds []float64
		for i := range repeats + 1 {
			took, err := once(ctx, m, t)
			if err != nil {
				return err
			}
			if i > 0 {
				speeds = append(speeds, float64((t.Prompt+t.Tokens)*t.Batch)/took.Seconds())
			}
		}
		mean, deviation := statistics(speeds)
		row(Row{t.String(), t.Batch, mean, deviation, t.share(m, mean, l)})
	}
	return nil
}

func statistics(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / max(float64(len(x)-1), 1)
	}
	return mean, math.Sqrt(deviation)
}

// once runs a test and times it, less what comes before.
func once(ctx context.Context, m *infer.Model, t Test) (time.Duration, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := func(n int) []int32 {
		x := make([]int32, n)
		for i := range x {
			x[i] = int32(rng.IntN(m.Config.VocabSize))
		}
		return x
	}
	steps := make([]infer.Step, t.Batch)
	forward := func(n int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range steps {
			steps[i] = infer.Step{Slot: i, Tokens: ids(n), Logits: func(int, []float32) {}}
		}
		return m.Forward(steps)
	}
	for i := range t.Batch {
		m.Truncate(i, 0)
	}
	if t.Depth > 0 {
		if err := forward(t.Depth); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	if t.Prompt > 0 {
		if err := forward(t.Prompt); err != nil {
			return 0, err
		}
	}
	for range t.Tokens {
		if err := forward(1); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// share is the part of the limit that a speed reaches.
func (t Test) share(m *infer.Model, speed float64, l Limits) float64 {
	if t.Prompt > 0 {
		// The head is multiplied with the last token only.
		head := 2 * float64(m.Config.VocabSize*m.Config.Dim)
		flops := float64(m.Config.ForwardFLOPs(t.Prompt)) - head*(1-1/float64(t.Prompt))
		return speed * flops / l.Peak
	}
	steps := speed / float64(t.Batch)
	cache := float64(t.Batch) * float64(m.CacheBytes()) * (float64(t.Depth) + float64(t.Tokens)/2)
	return steps * (float64(m.Bytes()) + cache) / l.Read
}
