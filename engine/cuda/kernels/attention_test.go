//go:build linux

package kernels_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
	"mobilellm/internal/testlong"
)

// documents are the starts of documents of 1 to 2·mean−1 tokens.
func documents(h op.Heads, mean int) []int32 {
	rng := rand.New(rand.NewPCG(5, uint64(mean)))
	starts := make([]int32, h.Batch*h.Seq)
	for b := range h.Batch {
		for at := 0; at < h.Seq; {
			end := min(at+1+rng.IntN(2*mean-1), h.Seq)
			for t := at; t < end; t++ {
				starts[b*h.Seq+t] = int32(at)
			}
			at = end
		}
	}
	return starts
}

type attentionCase struct {
	op.Heads
	types []engine.DType
	plain bool
	mean  int // length of documents; 0 without
}

func attentionCases() []attentionCase {
	both, half := []engine.DType{engine.F32, engine.BF16}, []engine.DType{engine.BF16}
	var cases []attentionCase
	add := func(types []engine.DType, plain bool, means []int, heads ...op.Heads) {
		for _, h := range heads {
			h.RoPE.Base = 10000
			for _, mean := range means {
				cases = append(cases, attentionCase{h, types, plain, mean})
			}
		}
	}
	add(both, false, []int{0, 3},
		op.Heads{Batch: 1, Seq: 1, Heads: 2, KVHeads: 1, HeadDim: 8},
		op.Heads{Batch: 2, Seq: 7, Heads: 4, KVHeads: 2, HeadDim: 6}, // no tensor cores
		op.Heads{Batch: 2, Seq: 70, Heads: 3, KVHeads: 1, HeadDim: 64},
		op.Heads{Batch: 1, Seq: 33, Heads: 1, KVHeads: 1, HeadDim: 96},
		op.Heads{Batch: 1, Seq: 40, Heads: 2, KVHeads: 2, HeadDim: 128},
		op.Heads{Batch: 1, Seq: 35, Heads: 2, KVHeads: 1, HeadDim: 160}, // no tensor cores
	)
	// Several tiles of queries and of keys, whole and not, documents that begin
	// within and between them, head sizes that do not fill a row. A block has up to 128
	// rows, a tile up to 64: 141 are a block and a short one.
	add(half, false, []int{0, 40},
		op.Heads{Batch: 1, Seq: 256, Heads: 2, KVHeads: 1, HeadDim: 64},
		op.Heads{Batch: 2, Seq: 141, Heads: 3, KVHeads: 1, HeadDim: 24},
		op.Heads{Batch: 1, Seq: 141, Heads: 2, KVHeads: 2, HeadDim: 80},
		op.Heads{Batch: 1, Seq: 141, Heads: 1, KVHeads: 1, HeadDim: 104},
	)
	if testlong.On() {
		add(half, false, []int{0, 40},
			op.Heads{Batch: 2, Seq: 301, Heads: 3, KVHeads: 1, HeadDim: 24},
			op.Heads{Batch: 1, Seq: 200, Heads: 2, KVHeads: 2, HeadDim: 80},
			op.Heads{Batch: 1, Seq: 200, Heads: 1, KVHeads: 1, HeadDim: 104},
		)
	}
	add(half, true, []int{0, 20},
		op.Heads{Batch: 1, Seq: 70, Heads: 2, KVHeads: 1, HeadDim: 64},
		op.Heads{Batch: 1, Seq: 20, Heads: 2, KVHeads: 1, HeadDim: 128},
	)
	return cases
}

func TestAttention(t *testing.T) {
	for _, c := range attentionCases() {
		for _, d := range c.types {
			t.Run(fmt.Sprintf("B%d T%d H%d K%d D%d %v plain %v documents %d", c.Batch, c.Seq, c.Heads.Heads, c.KVHeads, c.HeadDim, d, c.plain, c.mean), func(t *testing.T) {
				c.run(t, d)
			})
		}
	}
}

// run goes forward, then back from a forward pass's results in float64, rounded.
func (c attentionCase) run(t *testing.T, d engine.DType) {
	g, h := newGPU(t), c.Heads
	n, width := h.Batch*h.Seq, h.Heads*h.HeadDim
	a := kernels.Attention{Batch: h.Batch, Seq: h.Seq, Heads: h.Heads, KVHeads: h.KVHeads, HeadDim: h.HeadDim, DType: d, Plain: c.plain}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	cos64, sin64 := h.RoPE.Table(h.Seq, h.HeadDim)
	cos, sin := g.floats(narrowed(cos64), engine.F32), g.floats(narrowed(sin64), engine.F32)
	qkv, dout := normal(1, n*h.Width()), normal(2, n*width)
	pqkv, pdout := g.floats(qkv, d), g.floats(dout, d)
	var starts kernels.Pointer
	var masked []gorgonia.Value
	if c.mean > 0 {
		s := documents(h, c.mean)
		starts, masked = g.ints(s), []gorgonia.Value{vector(s)}
	}
	forward := plain(t, op.AttentionOp{Heads: h, Masked: c.mean > 0}, append([]gorgonia.Value{matrix(qkv, n, h.Width())}, masked...)...)
	out64, lse64 := narrowed(forward[0]), narrowed(forward[1])
	pout, plse := g.floats(out64, d), g.floats(lse64, engine.F32)
	backward := plain(t, op.AttentionGradOp{Heads: h, Masked: c.mean > 0}, append([]gorgonia.Value{
		matrix(qkv, n, h.Width()), matrix(out64, n, width), matrix(lse64, n, h.Heads), matrix(dout, n, width),
	}, masked...)...)

	out, lse, scoring := g.empty(d.Size()*int64(n*width)), g.empty(int64(4*n*h.Heads)), g.empty(d.Size()*int64(n*width))
	dqkv := g.empty(d.Size() * int64(n*h.Width()))
	scratch, gradScratch := g.empty(a.Scratch()), g.empty(a.GradientScratch())
	launches := a.Forward(pqkv, starts, cos, sin, out, lse, scratch)
	launches = append(launches, a.Forward(pqkv, starts, cos, sin, scoring, 0, scratch)...)
	g.run(append(launches, a.Backward(pqkv, pout, plse, pdout, starts, cos, sin, dqkv, gradScratch)...))

	tolerance := exact
	if d == engine.BF16 {
		tolerance = 6e-3 // queries, keys and probabilities are rounded too
	}
	g.agree("out", g.read(out, n*width, d), forward[0], 0, d, tolerance)
	g.agree("out without lse", g.read(scoring, n*width, d), forward[0], 0, d, tolerance)
	g.agree("lse", g.read(lse, n*h.Heads, engine.F32), forward[1], 0, engine.F32, tolerance)
	g.agree("dqkv", g.read(dqkv, n*h.Width(), d), backward[0], 0, d, tolerance)
}

func narrowed(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func TestAttentionCheck(t *testing.T) {
	ok := kernels.Attention{Batch: 1, Seq: 4, Heads: 4, KVHeads: 2, HeadDim: 64}
	for _, tt := range []struct {
		change func(*kernels.Attention)
		want   string
	}{
		{func(a *kernels.Attention) { a.HeadDim = 7 }, "head size 7, want an even number up to 256"},
		{func(a *kernels.Attention) { a.HeadDim = 258 }, "head size 258, want an even number up to 256"},
		{func(a *kernels.Attention) { a.KVHeads = 3 }, "4 heads do not divide into 3 kv heads"},
	} {
		a := ok
		tt.change(&a)
		if err := a.Check(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: got %v, want %s", a, err, tt.want)
		}
	}
}

// TestSharedMemory holds every head size to what a block gets on the smallest GPUs
// of compute capability 8 and above.
func TestSharedMemory(t *testing.T) {
	for d := 2; d <= kernels.MaxHeadDim; d += 2 {
		for _, typ := range []engine.DType{engine.F32, engine.BF16} {
			a := kernels.Attention{Batch: 1, Seq: 2048, Heads: 2, KVHeads: 1, HeadDim: d, DType: typ}
			for _, l := range append(a.Forward(1, 1, 1, 1, 1, 1, 1), a.Backward(1, 1, 1, 1, 1, 1, 1, 1, 1)...) {
				if l.Shared > 99<<10 {
					t.Errorf("head size %d, %v: %s takes %d bytes of shared memory", d, typ, l.Kernel, l.Shared)
				}
			}
		}
	}
}
