package infer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/quant"
)

func drawn(rng *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(rng.IntN(vocab))
	}
	return ids
}

// allLogits computes tokens of a slot, and returns the logits of all.
func allLogits(t *testing.T, m *Model, slot int, ids []int32) [][]float32 {
	t.Helper()
	var rows [][]float32
	err := m.Forward([]Step{{Slot: slot, Tokens: ids, Last: len(ids), Logits: func(i int, l []float32) {
		if i != len(rows) {
			t.Fatalf("logits of token %d come after those of %d", i, len(rows)-1)
		}
		rows = append(rows, slices.Clone(l))
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// deviation is the root of the mean square of what got and want differ, as a share of
// want's.
func deviation(got, want [][]float32) float64 {
	var d, all float64
	for i, row := range want {
		for j, w := range row {
			d += math.Pow(float64(got[i][j]-w), 2)
			all += math.Pow(float64(w), 2)
		}
	}
	return math.Sqrt(d / all)
}

// bf16Tolerance is for products of bf16 weights, which round the other side too where
// the processor multiplies bf16 pairs.
func bf16Tolerance() float64 {
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	if dev.BF16() {
		return 0.05
	}
	return 1e-5
}

// The logits with the cache are those of the whole forward pass, for every strategy of
// sharing layers, grouped heads and not, in every type.
func TestForward(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, strategy := range arch.Strategies() {
		for _, kv := range []int{1, 2, 4} {
			for _, tied := range []bool{true, false} {
				if testing.Short() && (kv != 2 || !tied) {
					continue
				}
				c := small(260)
				c.LayerSharing.Strategy, c.KVHeads, c.ShareEmbedding, c.Context = strategy, kv, tied, 200
				c.QKNorm = kv == 2 && tied || kv == 4 && !tied
				// Weights that bf16 holds, so that its products differ by their order only.
				dir := savedAs(t, filepath.Join(t.TempDir(), "model"), c, func(_ string, x []float32) {
					for i := range x {
						x[i] = math.Float32frombits(math.Float32bits(x[i]) &^ 0xffff)
					}
				})
				ids := drawn(rng, 150, c.VocabSize)
				want := oracle(t, c, dir, ids)
				for _, o := range []struct {
					LoadOptions
					tolerance float64
				}{{LoadOptions{}, 1e-5}, {LoadOptions{CacheType: engine.BF16}, 0.05}, {LoadOptions{Precision: engine.PrecisionBF16}, bf16Tolerance()}} {
					t.Run(fmt.Sprintf("%s/%d kv heads/tied %v/%v weights, %v cache", strategy, kv, tied, o.Precision, o.CacheType), func(t *testing.T) {
						got := allLogits(t, open(t, dir, o.LoadOptions), 0, ids)
						if len(got) != len(want) {
							t.Fatalf("%d logits of %d tokens", len(got), len(want))
						}
						if d := deviation(got, want); !(d <= o.tolerance) {
							t.Fatalf("logits deviate by %.2g, at most %g", d, o.tolerance)
						}
					})
				}
			}
		}
	}
}

// What a sequence gets are the same bits however its tokens are cut, whoever shares its
// runs, in whichever slot, and where a prefix was in the cache.
func TestForwardBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	c := small(260)
	c.Context = 900
	dir := savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil)
	for _, o := range []LoadOptions{{Slots: 3}, {Slots: 3, Precision: engine.PrecisionBF16, CacheType: engine.BF16}, {Slots: 3, Quantize: Quantization{Activations: quant.Symmetric, Head: true}}} {
		ids := drawn(rng, 700, c.VocabSize)
		m := open(t, dir, o)
		want := allLogits(t, m, 0, ids)
		same := func(at int, got []float32) {
			t.Helper()
			if !slices.Equal(got, want[at]) {
				t.Fatalf("%v: the logits of token %d have other bits", o, at)
			}
		}
		for _, chunk := range []int{1, 7, 64, 65, 513} {
			m.Truncate(1, 0)
			at := 0
			for part := range slices.Chunk(ids[:min(len(ids), 40*chunk)], chunk) {
				other := drawn(rng, 1+rng.IntN(9), c.VocabSize)
				if len(m.Tokens(2))+len(other) > m.Context() {
					m.Truncate(2, rng.IntN(100))
				}
				steps := []Step{
					{Slot: 2, Tokens: other, Logits: func(int, []float32) {}},
					{Slot: 1, Tokens: part, Logits: func(i int, l []float32) { same(at+i, l) }},
				}
				if rng.IntN(2) == 0 {
					slices.Reverse(steps)
				}
				if err := m.Forward(steps); err != nil {
					t.Fatal(err)
				}
				at += len(part)
			}
		}
		for range 20 {
			n := rng.IntN(len(m.Tokens(1)))
			m.Truncate(1, n)
			end := min(n+1+rng.IntN(70), len(ids))
			for i, l := range allLogits(t, m, 1, ids[n:end]) {
				same(n+i, l)
			}
		}
	}
}

// A slot takes no more of the cache than its tokens need, and gives it back.
func TestCacheBlocks(t *testing.T) {
	c := small(260)
	c.Context = 300
	m := open(t, savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil), LoadOptions{Slots: 2})
	free := func() int { return len(m.forward.(*cached).free) }
	all := free()
	allLogits(t, m, 0, make([]int32, 65))
	if got := all - free(); got != 2 {
		t.Errorf("65 tokens take %d blocks, want 2", got)
	}
	m.Truncate(0, 64)
	if got := all - free(); got != 1 {
		t.Errorf("64 tokens hold %d blocks, want 1", got)
	}
	allLogits(t, m, 1, make([]int32, 300))
	m.Truncate(0, 0)
	m.Truncate(1, 0)
	if free() != all {
		t.Errorf("%d blocks are free, want all %d", free(), all)
	}
	if err := m.Forward([]Step{{Slot: 0, Tokens: make([]int32, 301)}}); err == nil {
		t.Error("more tokens than the context give no error")
	}
	if err := m.Forward([]Step{{Slot: 2, Tokens: make([]int32, 1)}}); err == nil {
		t.Error("a slot that is not there gives no error")
	}
	if free() != all || len(m.Tokens(0)) > 0 {
		t.Error("a step that is refused left something")
	}
}

// A run that fails leaves nothing that a later one could take for computed.
func TestForwardFails(t *testing.T) {
	m := loadedWith(t, LoadOptions{Slots: 2}, nil)
	allLogits(t, m, 0, []int32{1, 2, 3})
	allLogits(t, m, 1, []int32{4})
	m.forward = failing{m.forward}
	if err := m.Forward([]Step{{Tokens: []int32{5}}}); err == nil || len(m.Tokens(0)) > 0 || len(m.Tokens(1)) != 1 {
		t.Errorf("%v leaves %v and %v", err, m.Tokens(0), m.Tokens(1))
	}
	m.forward = m.forward.(failing).forward
}

// failing fails when tokens are in their slots.
type failing struct{ forward }

func (f failing) run(steps []Step, each func(int, func(int))) error {
	return errors.Join(f.forward.run(steps, each), errors.New("the device fails"))
}

// A token costs no memory.
func TestForwardAllocates(t *testing.T) {
	m := loadedWith(t, LoadOptions{Context: 40}, nil)
	step := []Step{{Tokens: []int32{5}, Logits: func(int, []float32) {}}}
	run := func() {
		m.Truncate(0, 3)
		if err := m.Forward(step); err != nil {
			t.Fatal(err)
		}
	}
	allLogits(t, m, 0, []int32{1, 2, 3})
	run()
	if n := testing.AllocsPerRun(20, run); n > 0 {
		t.Errorf("%v allocations a token", n)
	}
}
