//go:build linux

package kernels_test

import (
	"fmt"
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

// qkCases are numbers of tokens, of which the last has more than one partial sum, with
// heads.
var qkCases = []struct {
	n int
	h op.QKHeads
}{
	{1, op.QKHeads{Heads: 2, KVHeads: 1, HeadDim: 6}},
	{5, op.QKHeads{Heads: 3, KVHeads: 1, HeadDim: 64}},
	{19, op.QKHeads{Heads: 4, KVHeads: 4, HeadDim: 70}},
}

func TestQKNorm(t *testing.T) {
	for _, c := range qkCases {
		n, h := c.n, c.h
		each(t, fmt.Sprintf("%d %+v", n, h), func(g *gpu, d engine.DType) {
			columns := (h.Heads + 2*h.KVHeads) * h.HeadDim
			x, q, k := normal(1, n*columns), normal(2, h.HeadDim), normal(3, h.HeadDim)
			y := g.empty(d.Size() * int64(n*columns))
			g.run(kernels.QKNorm(y, g.floats(x, d), g.floats(q, engine.F32), g.floats(k, engine.F32), n, h.Heads, h.KVHeads, h.HeadDim, 1e-5, d))
			want := plain(g.T, op.QKNormOp{QKHeads: h, Eps: 1e-5}, matrix(x, n, columns), matrix(q, h.HeadDim), matrix(k, h.HeadDim))
			g.agree("y", g.read(y, n*columns, d), want[0], 0, d, exact)
		})
	}
}

func TestQKNormGradient(t *testing.T) {
	for _, c := range qkCases {
		n, h := c.n, c.h
		for _, tt := range []struct{ adds, frozen bool }{{}, {adds: true}, {frozen: true}} {
			each(t, fmt.Sprintf("%d %+v %+v", n, h, tt), func(g *gpu, d engine.DType) {
				columns := (h.Heads + 2*h.KVHeads) * h.HeadDim
				dy, x, q, k := normal(1, n*columns), normal(2, n*columns), normal(3, h.HeadDim), normal(4, h.HeadDim)
				dx := g.empty(d.Size() * int64(n*columns))
				dq, dk := g.floats(filled(h.HeadDim, before), engine.F32), g.floats(filled(h.HeadDim, before), engine.F32)
				toQ, toK := dq, dk
				if tt.frozen {
					toQ, toK = 0, 0
				}
				g.run(kernels.QKNormGradient(dx, toQ, toK, g.floats(dy, d), g.floats(x, d), g.floats(q, engine.F32), g.floats(k, engine.F32),
					g.empty(kernels.QKNormGradientScratch(n, h.HeadDim)), n, h.Heads, h.KVHeads, h.HeadDim, 1e-5, d, tt.adds, tt.adds))
				want := plain(g.T, op.QKNormGradOp{QKHeads: h, Eps: 1e-5}, matrix(dy, n, columns), matrix(x, n, columns), matrix(q, h.HeadDim), matrix(k, h.HeadDim))
				g.agree("dx", g.read(dx, n*columns, d), want[0], 0, d, exact)
				if tt.frozen {
					return
				}
				there := map[bool]float64{true: before}[tt.adds]
				g.agree("dq", g.read(dq, h.HeadDim, engine.F32), want[1], there, engine.F32, exact)
				g.agree("dk", g.read(dk, h.HeadDim, engine.F32), want[2], there, engine.F32, exact)
			})
		}
	}
}
