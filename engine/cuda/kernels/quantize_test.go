//go:build linux

package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/internal/quant"
)

// rules are of every kind that kernels know.
var rules = []quant.Rule{
	{Method: quant.MinMax, Bits: 8, Scheme: quant.Symmetric},
	{Method: quant.MinMax, Bits: 8, Scheme: quant.Asymmetric},
	{Method: quant.MinMax, Bits: 8, Scheme: quant.Compressed},
	{Method: quant.MinMax, Bits: 2, Scheme: quant.Symmetric},
	{Method: quant.LSQ, Bits: 4},
	{Method: quant.LSQ, Bits: 1},
	{Method: quant.SEQ, Bits: 2},
	{Method: quant.SEQ, Bits: quant.Ternary},
	{Method: quant.Sign, Bits: 1},
	{Method: quant.Sign, Bits: 1, Scaled: true},
}

// Rounding jumps, so that the plain version is in float32 too.
func TestQuantize(t *testing.T) {
	forSizes(t, func(g *gpu, n, c int, d engine.DType) {
		x, dy, alpha := normal(1, n*c), normal(2, n*c), normal(3, n)
		px, pdy := g.floats(x, d), g.floats(dy, d)
		for i := range alpha {
			alpha[i] = 0.1 + float32(math.Abs(float64(alpha[i])))
		}
		steps := g.floats(alpha, engine.F32)
		for i, r := range rules {
			if c > 300 && i%3 != 0 || d == engine.BF16 && r.Method.Learned() { // weights are float32
				continue
			}
			pa := steps
			if !r.Method.Learned() {
				pa = 0
			}
			name := fmt.Sprintf("%s of %v bits, %s", r.Method, r.Bits, r.Scheme)
			y := g.empty(d.Size() * int64(n*c))
			g.run(kernels.Quantize(y, px, pa, n, c, r, d))
			want := make([]float32, n*c)
			for row := range n {
				quant.Round(r, want[row*c:(row+1)*c], x[row*c:(row+1)*c], alpha[row])
			}
			g.agree(name, g.read(y, n*c, d), wide(want), 0, d, exact)
			if r.Method == quant.MinMax {
				continue
			}
			dx, dalpha := g.empty(d.Size()*int64(n*c)), g.floats(filled(n, before), engine.F32)
			toAlpha := dalpha
			if !r.Method.Learned() {
				toAlpha = 0
			}
			g.run(kernels.QuantizeGradient(dx, toAlpha, px, pdy, pa, n, c, r, d, false, true))
			sums := make([]float32, n)
			for row := range n {
				sums[row] = quant.Backward(r, want[row*c:(row+1)*c], x[row*c:(row+1)*c], dy[row*c:(row+1)*c], alpha[row])
				sums[row] *= float32(r.GradientScale(n * c))
			}
			g.agree(name+", dx", g.read(dx, n*c, d), wide(want), 0, d, exact)
			if toAlpha != 0 {
				g.agree(name+", dalpha", g.read(dalpha, n, engine.F32), wide(sums), before, engine.F32, exact)
			}
			if d == engine.F32 {
				more := g.floats(filled(n*c, before), engine.F32)
				g.run(kernels.QuantizeGradient(more, 0, px, pdy, pa, n, c, r, d, true, false))
				g.agree(name+", dx added", g.read(more, n*c, engine.F32), wide(want), before, engine.F32, exact)
			}
		}
	})
}

// A row with a number that is not finite becomes NaN.
func TestQuantizeNonfinite(t *testing.T) {
	g := newGPU(t)
	x := []float32{1, 2, float32(math.Inf(1)), 3, 4, 5}
	y := g.empty(4 * 6)
	g.run(kernels.Quantize(y, g.floats(x, engine.F32), 0, 2, 3, rules[0], engine.F32))
	got := g.read(y, 6, engine.F32)
	for i, v := range got {
		if nan := v != v; nan != (i < 3) {
			t.Errorf("element %d is %v", i, v)
		}
	}
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}
