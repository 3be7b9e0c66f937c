package op

import (
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func init() {
	c := Cache{Heads: 4, KVHeads: 2, HeadDim: 6, RoPE: RoPE{10000, RoPEScaling{Llama3RoPE, 8, 64, 1, 4}}, Layers: 2, Context: 130, Blocks: 5}
	example(CachedAttentionOp{exampleScope, c, 1})
}

// Sequences that come in pieces, with others between, get what the attention on
// whole sequences gives.
func TestCachedAttention(t *testing.T) {
	const length = 150
	for _, rope := range []RoPE{{Base: 10000}, {Base: 500, Scaling: RoPEScaling{Kind: LinearRoPE, Factor: 4}}} {
		h := Heads{Batch: 2, Seq: length, Heads: 6, KVHeads: 2, HeadDim: 10, RoPE: rope}
		qkv := normal(random(8), "qkv", 1, h.Batch*h.Seq, h.Width()).data
		whole, err := AttentionOp{Heads: h}.Do(matrixOf(qkv, h.Batch*h.Seq, h.Width()))
		if err != nil {
			t.Fatal(err)
		}
		want := whole.Data().([]float64)
		o := CachedAttentionOp{Cache: Cache{Heads: 6, KVHeads: 2, HeadDim: 10, RoPE: rope, Layers: 3, Context: 192, Blocks: 8}, Layer: 1}
		cache := make([]float64, o.Cache.Shape().TotalSize())
		for i := range cache {
			cache[i] = math.NaN() // what no token wrote
		}
		table := []int32{7, 2, 4, 1, 0, 3}
		for done := [2]int{}; done[0] < length || done[1] < length; {
			var rows []float64
			var positions, sequences []int32
			var at []int
			for s, n := range []int{13, 70} {
				for range min(n, length-done[s]) {
					row := s*length + done[s]
					rows = append(rows, qkv[row*h.Width():(row+1)*h.Width()]...)
					positions, sequences, at = append(positions, int32(done[s])), append(sequences, int32(s)), append(at, row)
					done[s]++
				}
			}
			rows = append(rows, make([]float64, h.Width())...)
			positions, sequences = append(positions, -5), append(sequences, -1)
			v, err := o.Do(matrixOf(rows, len(positions), h.Width()), matrixOf(cache, o.Cache.Shape()...), idsOf(positions), idsOf(sequences), idsOf(table))
			if err != nil {
				t.Fatal(err)
			}
			got, width := v.Data().([]float64), h.Heads*h.HeadDim
			for i, row := range append(at, -1) {
				for j, x := range got[i*width : (i+1)*width] {
					w := 0.0
					if row >= 0 {
						w = want[row*width+j]
					}
					if !(math.Abs(x-w) < 1e-12) {
						t.Fatalf("row %d, column %d is %v, want %v", row, j, x, w)
					}
				}
			}
		}
	}
}

func matrixOf(x []float64, shape ...int) gorgonia.Value {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x))
}

func idsOf(x []int32) gorgonia.Value {
	return tensor.New(tensor.WithShape(len(x)), tensor.WithBacking(x))
}

func TestCachedAttentionRefuses(t *testing.T) {
	o := CachedAttentionOp{Cache: Cache{Heads: 1, KVHeads: 1, HeadDim: 2, RoPE: RoPE{Base: 100}, Layers: 1, Context: 100, Blocks: 3}}
	for name, c := range map[string]struct {
		position, sequence int32
		table              []int32
		want               string
	}{
		"position beyond":  {100, 0, []int32{0, 1}, "token 0 is at position 100 of sequence 0"},
		"position below":   {-1, 0, []int32{0, 1}, "position -1"},
		"sequence beyond":  {0, 1, []int32{0, 1}, "the cache has 1 sequences of 100 positions"},
		"block beyond":     {70, 0, []int32{0, 3}, "block 1 of sequence 0 is 3, the cache has 3"},
		"block not given":  {70, 0, []int32{0, -1}, "block 1 of sequence 0 is -1"},
		"another's broken": {70, 1, []int32{0, 1, 2, 9}, "block 1 of sequence 1 is 9"},
	} {
		_, err := o.Do(matrixOf(make([]float64, 6), 1, 6), matrixOf(make([]float64, o.Cache.Shape().TotalSize()), o.Cache.Shape()...), idsOf([]int32{c.position}), idsOf([]int32{c.sequence}), idsOf(c.table))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
