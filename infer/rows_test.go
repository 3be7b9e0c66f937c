package infer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The device's kernels for a row of logits are the plain sums, for all lengths.
func TestLogSumExp(t *testing.T) {
	m := loaded(t)
	rng := rand.New(rand.NewPCG(2, 3))
	for _, n := range []int{1, 2, 15, 16, 17, 100, 4097} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(20 * rng.NormFloat64())
		}
		if got, want := m.Largest(x), slices.Max(x); got != want {
			t.Errorf("the largest of %d is %v, want %v", n, got, want)
		}
		want := logSumExp(x)
		if got := m.LogSumExp(x); math.Abs(got-want) > 1e-5 {
			t.Errorf("of %d logits: %v, want %v", n, got, want)
		}
	}
}
