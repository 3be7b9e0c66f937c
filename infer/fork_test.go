package infer

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/op"
)

// Sequences that fork get the bits that they get alone, whatever they share, in which
// order they go on, and whoever else forks off them; and all blocks come back.
func TestForkBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, strategy := range arch.Strategies() {
		for _, o := range []LoadOptions{{}, {Precision: engine.PrecisionBF16, CacheType: engine.BF16}} {
			t.Run(fmt.Sprintf("%s/%v", strategy, o.Precision), func(t *testing.T) {
				c := small(260)
				c.LayerSharing.Strategy, c.Context = strategy, 300
				o.Slots = 6
				m := open(t, savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil), o)
				for _, common := range []int{1, 63, 64, 65, 150} {
					prefix := drawn(rng, common, c.VocabSize)
					var tails, want [5][]int32
					var logits [5][][]float32
					for i := range tails {
						tails[i] = drawn(rng, 1+rng.IntN(90), c.VocabSize)
						want[i] = append(slices.Clone(prefix), tails[i]...)
						logits[i] = allLogits(t, m, 0, want[i])[common:]
						m.Truncate(0, 0)
					}
					allLogits(t, m, 5, prefix)
					for slot := range 5 {
						m.Fork(5, slot)
					}
					if rng.IntN(2) == 0 {
						m.Truncate(5, 0) // the last of the five needs no copy then
					}
					for len(tails[0])+len(tails[1])+len(tails[2])+len(tails[3])+len(tails[4]) > 0 {
						var steps []Step
						for _, i := range rng.Perm(5) {
							n := rng.IntN(len(tails[i]) + 1)
							at := len(want[i]) - len(tails[i]) - common
							steps = append(steps, Step{Slot: i, Tokens: tails[i][:n], Last: n, Logits: func(j int, l []float32) {
								if !slices.Equal(l, logits[i][at+j]) {
									t.Errorf("%d tokens in common: token %d of sequence %d has other bits than alone", common, at+j, i)
								}
							}})
							tails[i] = tails[i][n:]
						}
						if err := m.ForwardParallel(steps); err != nil {
							t.Fatal(err)
						}
					}
					for i := range want {
						if !slices.Equal(m.Tokens(i), want[i]) {
							t.Errorf("sequence %d has other tokens", i)
						}
					}
					for slot := range 6 {
						m.Truncate(slot, 0)
					}
					if cache := m.forward.(*cached); len(cache.free) != cache.cache.Blocks {
						t.Fatalf("%d of %d blocks are free", len(cache.free), cache.cache.Blocks)
					}
				}
			})
		}
	}
}

// A sequence that goes back into a block that it shares leaves the others theirs.
func TestForkTruncate(t *testing.T) {
	c := small(260)
	c.Context = 200
	m := open(t, savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil), LoadOptions{Slots: 2})
	ids := drawn(rand.New(rand.NewPCG(1, 5)), 100, c.VocabSize)
	allLogits(t, m, 0, ids)
	m.Fork(0, 1)
	m.Fork(1, 1)
	m.Truncate(1, 20)
	allLogits(t, m, 1, ids[50:])
	next := allLogits(t, m, 0, ids[:3])
	m.Truncate(0, 0)
	if want := allLogits(t, m, 0, append(slices.Clone(ids), ids[:3]...))[100:]; !slices.EqualFunc(next, want, slices.Equal) {
		t.Error("what another sequence wrote changed this one")
	}
}

// A cache that holds fewer tokens than the slots' contexts says when it is full, and
// changes nothing then.
func TestCacheTokens(t *testing.T) {
	c := small(260)
	c.Context = 300
	dir := savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil)
	m := open(t, dir, LoadOptions{Slots: 8, CacheTokens: 310})
	if got := m.CacheTokens(); got != 320 {
		t.Errorf("the cache holds %d tokens, want 320", got)
	}
	if got := open(t, dir, LoadOptions{Slots: 2, CacheTokens: 1}).CacheTokens(); got != 320 {
		t.Errorf("the cache holds %d tokens, want a context of 320", got)
	}
	if got := open(t, dir, LoadOptions{Slots: 2}).CacheTokens(); got != 640 {
		t.Errorf("the cache holds %d tokens, want 640", got)
	}
	allLogits(t, m, 0, make([]int32, 200)) // 4 blocks of 5
	for slot := range 3 {
		m.Fork(0, 1+slot)
	}
	steps := func(slots ...int) (s []Step) {
		for _, slot := range slots {
			s = append(s, Step{Slot: slot, Tokens: make([]int32, 10)})
		}
		return s
	}
	err := m.Forward(steps(0, 1))
	if want := "has 1 blocks of 64 left: 2 are wanted"; err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("two copies give %v, want %q", err, want)
	}
	if len(m.Tokens(0)) != 200 || len(m.Tokens(1)) != 200 {
		t.Error("what is refused changed the sequences")
	}
	if err := m.Forward(steps(1)); err != nil {
		t.Fatal(err)
	}
	m.Truncate(2, 0)
	m.Truncate(3, 0)
	if err := m.Forward(steps(0)); err != nil { // the last that has the block
		t.Fatal(err)
	}
	if blocks := m.forward.(*cached).free; len(blocks)*op.CacheBlock != 0 {
		t.Errorf("%d blocks are free", len(blocks))
	}
}
