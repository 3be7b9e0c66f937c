//go:build linux

package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
	"mobilellm/internal/bfloat16"
)

// sizes are rows and columns: whole vectors and warps, and not.
var sizes = [][2]int{{1, 16}, {5, 30}, {5, 24}, {9, 96}, {70, 260}, {3, 1027}}

func forSizes(t *testing.T, f func(g *gpu, n, c int, d engine.DType)) {
	for _, s := range sizes {
		each(t, fmt.Sprintf("%dx%d", s[0], s[1]), func(g *gpu, d engine.DType) { f(g, s[0], s[1], d) })
	}
}

const before = 0.5 // what a result holds to which a kernel adds

// exact is the tolerance of results in float32, beside rounding.
const exact = 1e-5

func TestEmbedding(t *testing.T) {
	for _, s := range sizes {
		t.Run(fmt.Sprintf("%dx%d", s[0], s[1]), func(t *testing.T) {
			g, n, c := newGPU(t), s[0], s[1]
			w, ids := normal(1, 50*c), tokens(2, n, 50)
			x := g.empty(int64(4 * n * c))
			g.run(kernels.Embedding(x, g.floats(w, engine.F32), g.ints(ids), n, c))
			want := plain(t, op.EmbeddingOp{}, matrix(w, 50, c), vector(ids))
			g.agree("x", g.read(x, n*c, engine.F32), want[0], 0, engine.F32, 0)
		})
	}
}

func TestEmbeddingGradient(t *testing.T) {
	for _, s := range [][3]int{{1, 16, 50}, {5, 30, 3}, {300, 24, 50}, {700, 130, 2}} {
		for _, adds := range []bool{false, true} {
			t.Run(fmt.Sprintf("%dx%d of %d, adds %v", s[0], s[1], s[2], adds), func(t *testing.T) {
				g, n, c, vocab := newGPU(t), s[0], s[1], s[2]
				dx, ids := normal(1, n*c), tokens(2, n, vocab)
				dw, there := g.empty(int64(4*vocab*c)), 0.0
				if adds {
					dw, there = g.floats(filled(vocab*c, before), engine.F32), before
				}
				scratch := g.empty(kernels.EmbeddingGradientScratch(n))
				g.run(kernels.EmbeddingGradient(dw, g.ints(ids), g.floats(dx, engine.F32), scratch, n, c, vocab, adds))
				want := plain(t, op.EmbeddingGradOp{Vocab: vocab}, vector(ids), matrix(dx, n, c))
				g.agree("dw", g.read(dw, vocab*c, engine.F32), want[0], there, engine.F32, exact)
			})
		}
	}
}

func TestRMSNorm(t *testing.T) {
	forSizes(t, func(g *gpu, n, c int, d engine.DType) {
		x, w := normal(1, n*c), normal(2, c)
		dx, dw := g.floats(x, engine.F32), g.floats(w, engine.F32)
		y, xhat, r := g.empty(d.Size()*int64(n*c)), g.empty(d.Size()*int64(n*c)), g.empty(int64(4*n))
		alone := g.empty(d.Size() * int64(n*c))
		g.run(append(kernels.RMSNorm(y, xhat, r, dx, dw, n, c, 1e-5, d), kernels.RMSNorm(alone, 0, 0, dx, dw, n, c, 1e-5, d)...))
		want := plain(g.T, op.RMSNormOp{Eps: 1e-5}, matrix(x, n, c), matrix(w, c))
		tolerance := exact
		if d == engine.BF16 {
			tolerance = 1.0 / 256 // y is rounded twice
		}
		g.agree("y", g.read(y, n*c, d), want[0], 0, d, tolerance)
		g.agree("y alone", g.read(alone, n*c, d), want[0], 0, d, tolerance)
		g.agree("xhat", g.read(xhat, n*c, d), want[1], 0, d, exact)
		g.agree("r", g.read(r, n, engine.F32), want[2], 0, engine.F32, exact)
	})
}

func TestRMSNormGradient(t *testing.T) {
	for _, tt := range []struct{ addsDX, addsDW, onlyDX, onlyDW bool }{{}, {addsDX: true, addsDW: true}, {onlyDX: true}, {onlyDW: true}} {
		forSizes(t, func(g *gpu, n, c int, d engine.DType) {
			dy, xhat, r, w := normal(1, n*c), normal(2, n*c), normal(3, n), normal(4, c)
			dx, dw := g.floats(filled(n*c, before), engine.F32), g.floats(filled(c, before), engine.F32)
			toDX, toDW := dx, dw
			if tt.onlyDW {
				toDX = 0
			}
			if tt.onlyDX {
				toDW = 0
			}
			scratch := g.empty(kernels.RMSNormGradientScratch(n, c))
			g.run(kernels.RMSNormGradient(toDX, toDW, g.floats(dy, d), g.floats(xhat, d), g.floats(r, engine.F32), g.floats(w, engine.F32),
				scratch, n, c, d, tt.addsDX, tt.addsDW))
			want := plain(g.T, op.RMSNormGradOp{}, matrix(dy, n, c), matrix(xhat, n, c), matrix(r, n), matrix(w, c))
			there := map[bool]float64{true: before}
			if !tt.onlyDW {
				g.agree("dx", g.read(dx, n*c, engine.F32), want[0], there[tt.addsDX], engine.F32, exact)
			}
			if !tt.onlyDX {
				g.agree("dw", g.read(dw, c, engine.F32), want[1], there[tt.addsDW], engine.F32, exact)
			}
		})
	}
}

// TestRMSNormGradientOfManyRows takes more rows than one partial sum holds.
func TestRMSNormGradientOfManyRows(t *testing.T) {
	g, n, c := newGPU(t), 1000, 12
	dy, xhat, r, w := normal(1, n*c), normal(2, n*c), normal(3, n), normal(4, c)
	dx, dw := g.empty(int64(4*n*c)), g.empty(int64(4*c))
	g.run(kernels.RMSNormGradient(dx, dw, g.floats(dy, engine.F32), g.floats(xhat, engine.F32), g.floats(r, engine.F32), g.floats(w, engine.F32),
		g.empty(kernels.RMSNormGradientScratch(n, c)), n, c, engine.F32, false, false))
	want := plain(t, op.RMSNormGradOp{}, matrix(dy, n, c), matrix(xhat, n, c), matrix(r, n), matrix(w, c))
	g.agree("dx", g.read(dx, n*c, engine.F32), want[0], 0, engine.F32, exact)
	g.agree("dw", g.read(dw, c, engine.F32), want[1], 0, engine.F32, exact)
}

func TestScale(t *testing.T) {
	forSizes(t, func(g *gpu, n, c int, d engine.DType) {
		x, w := normal(1, n*c), normal(2, c)
		y := g.empty(d.Size() * int64(n*c))
		g.run(kernels.Scale(y, g.floats(x, d), g.floats(w, engine.F32), n, c, d))
		want := plain(g.T, op.ScaleOp{}, matrix(x, n, c), matrix(w, c))
		g.agree("y", g.read(y, n*c, d), want[0], 0, d, exact)
	})
}

func TestSwiGLU(t *testing.T) {
	forSizes(t, func(g *gpu, n, f int, d engine.DType) {
		x, dh := normal(1, 2*n*f), normal(2, n*f)
		x[0], x[f-1] = -200, 200 // beyond the range of the exponential
		h, dx := g.empty(d.Size()*int64(n*f)), g.empty(2*d.Size()*int64(n*f))
		px, pdh := g.floats(x, d), g.floats(dh, d)
		g.run(append(kernels.SwiGLU(h, px, n, f, d), kernels.SwiGLUGradient(dx, px, pdh, n, f, d)...))
		g.agree("h", g.read(h, n*f, d), plain(g.T, op.SwiGLUOp{}, matrix(x, n, 2*f))[0], 0, d, exact)
		g.agree("dx", g.read(dx, 2*n*f, d), plain(g.T, op.SwiGLUGradOp{}, matrix(x, n, 2*f), matrix(dh, n, f))[0], 0, d, exact)
	})
}

func TestReLU(t *testing.T) {
	forSizes(t, func(g *gpu, n, f int, d engine.DType) {
		x, dy := normal(1, n*f), normal(2, n*f)
		x[0] = 0
		y, dx := g.empty(d.Size()*int64(n*f)), g.empty(d.Size()*int64(n*f))
		px, pdy := g.floats(x, d), g.floats(dy, d)
		g.run(append(kernels.ReLU(y, px, n*f, d), kernels.ReLUGradient(dx, px, pdy, n*f, d)...))
		g.agree("y", g.read(y, n*f, d), plain(g.T, op.ReLUOp{}, matrix(x, n, f))[0], 0, d, 0)
		g.agree("dx", g.read(dx, n*f, d), plain(g.T, op.ReLUGradOp{}, matrix(x, n, f), matrix(dy, n, f))[0], 0, d, 0)
	})
}

func TestAdd(t *testing.T) {
	for _, n := range []int{1, 300, 5000} {
		g := newGPU(t)
		a, b := normal(1, n), normal(2, n)
		y, sum := g.empty(int64(4*n)), g.floats(a, engine.F32)
		g.run(append(kernels.Add(y, g.floats(a, engine.F32), g.floats(b, engine.F32), n), kernels.Accumulate(sum, g.floats(b, engine.F32), n)...))
		want := plain(t, op.AddOp{}, matrix(a, 1, n), matrix(b, 1, n))[0]
		g.agree("y", g.read(y, n, engine.F32), want, 0, engine.F32, 1e-7)
		g.agree("sum", g.read(sum, n, engine.F32), want, 0, engine.F32, 1e-7)
	}
}

func TestRound(t *testing.T) {
	g := newGPU(t)
	inf := float32(math.Inf(1))
	x := append(normal(1, 2500), 0, float32(math.Copysign(0, -1)), inf, -inf, 1+1.0/256, 1+3.0/256, math.MaxFloat32, 1e-40)
	n := len(x)
	y, wide := g.empty(int64(2*n)), g.empty(int64(4*n))
	g.run(append(kernels.Round(y, g.floats(x, engine.F32), n), kernels.Widen(wide, y, n)...))
	for i, got := range g.read(y, n, engine.BF16) {
		if want := bfloat16.Float32(bfloat16.Round(x[i])); math.Float32bits(got) != math.Float32bits(want) {
			t.Errorf("%v is rounded to %v, want %v", x[i], got, want)
		}
	}
	for i, got := range g.read(wide, n, engine.F32) {
		if want := bfloat16.Float32(bfloat16.Round(x[i])); got != want {
			t.Errorf("%v is widened to %v, want %v", x[i], got, want)
		}
	}
	nan := g.floats([]float32{float32(math.NaN())}, engine.F32)
	to := g.empty(2)
	g.run(kernels.Round(to, nan, 1))
	if got := g.read(to, 1, engine.BF16)[0]; got == got {
		t.Errorf("NaN is rounded to %v", got)
	}
}

func TestNegate(t *testing.T) {
	g := newGPU(t)
	x := append(normal(1, 2100), 0, float32(math.Inf(1)))
	y := g.empty(int64(4 * len(x)))
	g.run(kernels.Negate(y, g.floats(x, engine.F32), len(x)))
	for i, got := range g.read(y, len(x), engine.F32) {
		if got != -x[i] || x[i] == 0 && math.Signbit(float64(got)) {
			t.Fatalf("element %d of %v is %v", i, x[i], got)
		}
	}
}

func TestFill(t *testing.T) {
	g := newGPU(t)
	x := g.empty(4 * 2100)
	g.run(kernels.Fill(x, 1.5, 2100))
	for i, got := range g.read(x, 2100, engine.F32) {
		if got != 1.5 {
			t.Fatalf("element %d is %v", i, got)
		}
	}
}

func TestNonfinite(t *testing.T) {
	for _, tt := range []struct {
		name string
		x    float64
		want int32
	}{
		{"finite", 3e38, 0},
		{"infinite", math.Inf(-1), 7},
		{"not a number", math.NaN(), 7},
	} {
		each(t, tt.name, func(g *gpu, d engine.DType) {
			x := normal(1, 3000)
			p := g.floats(x, d)
			x[2999] = float32(tt.x)
			last := g.floats(x[2999:], d)
			flag := g.ints([]int32{0})
			g.run(append(kernels.Nonfinite(flag, p, 5, 2999, d), kernels.Nonfinite(flag, last, 7, 1, d)...))
			if got := int32(math.Float32bits(g.read(flag, 1, engine.F32)[0])); got != tt.want {
				g.Errorf("flag is %d, want %d", got, tt.want)
			}
		})
	}
}
