package op

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func init() {
	h := Heads{Batch: 2, Seq: 3, Heads: 4, KVHeads: 2, HeadDim: 6, RoPE: RoPE{10000, RoPEScaling{Llama3RoPE, 8, 64, 1, 4}}}
	example(AttentionOp{exampleScope, h, false}, AttentionGradOp{exampleScope, h, false})
}

func attend(h Heads) func(gorgonia.Nodes) (*gorgonia.Node, error) {
	return unary(func(qkv *gorgonia.Node) (*gorgonia.Node, error) { return Attention("0.attn", qkv, h) })
}

func attendMasked(h Heads) func(gorgonia.Nodes) (*gorgonia.Node, error) {
	return binary(func(qkv, starts *gorgonia.Node) (*gorgonia.Node, error) {
		return MaskedAttention("0.attn", qkv, starts, h)
	})
}

func TestAttentionGradient(t *testing.T) {
	base := RoPE{Base: 10000}
	for _, c := range []struct {
		name string
		Heads
	}{
		{"MHA", Heads{Batch: 2, Seq: 4, Heads: 2, KVHeads: 2, HeadDim: 4, RoPE: base}},
		{"GQA", Heads{Batch: 2, Seq: 5, Heads: 4, KVHeads: 2, HeadDim: 4, RoPE: base}},
		{"GQA, odd sizes", Heads{Batch: 3, Seq: 3, Heads: 9, KVHeads: 3, HeadDim: 6, RoPE: RoPE{Base: 100}}},
		{"one kv head", Heads{Batch: 1, Seq: 7, Heads: 3, KVHeads: 1, HeadDim: 10, RoPE: base}},
		{"one head", Heads{Batch: 2, Seq: 6, Heads: 1, KVHeads: 1, HeadDim: 2, RoPE: base}},
		{"one token", Heads{Batch: 2, Seq: 1, Heads: 2, KVHeads: 1, HeadDim: 4, RoPE: base}},
	} {
		t.Run(c.name, func(t *testing.T) {
			qkv := normal(random(5), "qkv", 1, c.Batch*c.Seq, c.Width())
			checkGradients(t, function{args: []argument{qkv}, build: attend(c.Heads)})
		})
	}
}

func TestMaskedAttentionGradient(t *testing.T) {
	base := RoPE{Base: 10000}
	for _, c := range []struct {
		name   string
		starts []int32
		Heads
	}{
		{"MHA", []int32{0, 0, 2, 2, 0, 1, 1, 1}, Heads{Batch: 2, Seq: 4, Heads: 2, KVHeads: 2, HeadDim: 4, RoPE: base}},
		{"GQA", []int32{0, 0, 0, 3, 3, 0, 0, 0, 0, 0}, Heads{Batch: 2, Seq: 5, Heads: 4, KVHeads: 2, HeadDim: 4, RoPE: base}},
		{"documents of one token", []int32{0, 1, 2}, Heads{Batch: 1, Seq: 3, Heads: 3, KVHeads: 1, HeadDim: 6, RoPE: base}},
	} {
		t.Run(c.name, func(t *testing.T) {
			qkv := normal(random(5), "qkv", 1, c.Batch*c.Seq, c.Width())
			checkGradients(t, function{args: []argument{qkv, tokens("starts", c.starts...)}, build: attendMasked(c.Heads)})
		})
	}
}

// No token sees a later one or another sequence's, or another document's where
// attention is masked.
func TestAttentionSees(t *testing.T) {
	h := Heads{Batch: 2, Seq: 4, Heads: 4, KVHeads: 2, HeadDim: 6, RoPE: RoPE{Base: 10000}}
	qkv := normal(random(6), "qkv", 1, h.Batch*h.Seq, h.Width())
	starts := []int32{0, 0, 2, 2, 0, 1, 1, 3}
	for _, c := range []struct {
		name string
		f    function
		sees func(query, key int) bool // tokens of one sequence
	}{
		{"causal", function{args: []argument{qkv}, build: attend(h)}, func(query, key int) bool { return query >= key }},
		{
			"masked",
			function{args: []argument{qkv, tokens("starts", starts...)}, build: attendMasked(h)},
			func(query, key int) bool { return query >= key && int(starts[query]) <= key%h.Seq },
		},
	} {
		t.Run(c.name, func(t *testing.T) { checkSees(t, c.f, h, c.sees) })
	}
}

// checkSees changes each token of the function's first argument and looks which
// rows of its result move.
func checkSees(t *testing.T, f function, h Heads, sees func(query, key int) bool) {
	m, err := record(f, tensor.Float64, false)
	if err != nil {
		t.Fatal(err)
	}
	defer m.vm.Close()
	before, err := m.run(f.args)
	if err != nil {
		t.Fatal(err)
	}
	out := h.Heads * h.HeadDim
	for changed := range h.Batch * h.Seq {
		args := slices.Clone(f.args)
		args[0].data = slices.Clone(args[0].data)
		for j := range h.Width() {
			args[0].data[changed*h.Width()+j] += 1
		}
		after, err := m.run(args)
		if err != nil {
			t.Fatal(err)
		}
		for row := range h.Batch * h.Seq {
			moved := false
			for j := range out {
				moved = moved || before.out[row*out+j] != after.out[row*out+j]
			}
			if want := row/h.Seq == changed/h.Seq && sees(row, changed); moved != want {
				t.Errorf("token %d changed: token %d moved %v, want %v", changed, row, moved, want)
			}
		}
	}
}

// Scores far beyond exp's range give the largest one all the weight.
func TestAttentionLargeScores(t *testing.T) {
	h := Heads{Batch: 1, Seq: 3, Heads: 1, KVHeads: 1, HeadDim: 2, RoPE: RoPE{Base: 10000}}
	qkv := normal(random(7), "qkv", 300, h.Seq, h.Width())
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		r := evaluateTape(t, function{args: []argument{qkv}, build: attend(h)}, dtype)
		for i, x := range append(r.out, r.grads["qkv"]...) {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("%v: element %d of output and gradient is %v", dtype, i, x)
			}
		}
		for row := range h.Seq {
			q, _, _ := h.columns(0)
			best, score := 0, math.Inf(-1)
			turned := rotated(h, qkv.data, 1)
			for s := range row + 1 {
				if x := dot(turned[row*h.Width()+q:], turned[s*h.Width()+h.HeadDim:], h.HeadDim); x > score {
					best, score = s, x
				}
			}
			for j := range h.HeadDim {
				if got, want := r.out[row*h.HeadDim+j], qkv.data[best*h.Width()+2*h.HeadDim+j]; math.Abs(got-want) > 1e-3 {
					t.Errorf("%v: out[%d][%d] is %v, want value %d's %v", dtype, row, j, got, best, want)
				}
			}
		}
	}
}
