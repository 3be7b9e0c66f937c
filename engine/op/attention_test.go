package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func attend(h Heads) func(gorgonia.Nodes) (*gorgonia.Node, error) {
	return unary(func(qkv *gorgonia.Node) (*gorgonia.Node, error) { return Attention("0.attn", qkv, h) })
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

// No token sees a later one or another sequence's.
func TestAttentionCausal(t *testing.T) {
	h := Heads{Batch: 2, Seq: 4, Heads: 4, KVHeads: 2, HeadDim: 6, RoPE: RoPE{Base: 10000}}
	qkv := normal(random(6), "qkv", 1, h.Batch*h.Seq, h.Width())
	m, err := record(function{args: []argument{qkv}, build: attend(h)}, tensor.Float64, false)
	if err != nil {
		t.Fatal(err)
	}
	defer m.vm.Close()
	before, err := m.run([]argument{qkv})
	if err != nil {
		t.Fatal(err)
	}
	out := h.Heads * h.HeadDim
	for changed := range h.Batch * h.Seq {
		other := qkv
		other.data = append([]float64(nil), qkv.data...)
		for j := range h.Width() {
			other.data[changed*h.Width()+j] += 1
		}
		after, err := m.run([]argument{other})
		if err != nil {
			t.Fatal(err)
		}
		for row := range h.Batch * h.Seq {
			moved := false
			for j := range out {
				moved = moved || before.out[row*out+j] != after.out[row*out+j]
			}
			if sees := row/h.Seq == changed/h.Seq && row >= changed; moved != sees {
				t.Errorf("token %d changed: token %d moved %v, want %v", changed, row, moved, sees)
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
