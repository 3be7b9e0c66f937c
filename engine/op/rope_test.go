package op

import (
	"math"
	"math/cmplx"
	"testing"
)

// Rotation is multiplication by a complex number: pair i of a head at position
// t by e^{i·t·base^(−2i/D)}.
func TestRoPERotation(t *testing.T) {
	for _, c := range []struct {
		d    int
		base float64
	}{{2, 10000}, {6, 10000}, {28, 500}, {64, 1e6}} {
		const seq = 9
		r := RoPE{Base: c.base}
		cos, sin := r.Table(seq, c.d)
		if len(cos) != seq*c.d/2 || len(sin) != len(cos) {
			t.Fatalf("table of %d positions and head size %d has %d cosines, %d sines", seq, c.d, len(cos), len(sin))
		}
		x := normal(random(8), "x", 1, c.d).data
		for p := range seq {
			y, back := make([]float64, c.d), make([]float64, c.d)
			first := p * c.d / 2
			rotate(y, x, cos[first:], sin[first:], 1)
			rotate(back, y, cos[first:], sin[first:], -1)
			for i := range c.d / 2 {
				angle := float64(p) * math.Exp(-2*float64(i)/float64(c.d)*math.Log(c.base))
				want := complex(x[i], x[i+c.d/2]) * cmplx.Rect(1, angle)
				if got := complex(y[i], y[i+c.d/2]); cmplx.Abs(got-want) > 1e-12 {
					t.Errorf("base %v, size %d: pair %d at position %d is %v, want %v", c.base, c.d, i, p, got, want)
				}
				if math.Abs(back[i]-x[i]) > 1e-12 || math.Abs(back[i+c.d/2]-x[i+c.d/2]) > 1e-12 {
					t.Errorf("base %v, size %d: pair %d at position %d does not turn back", c.base, c.d, i, p)
				}
			}
		}
	}
}

// A query and a key that move together keep their score.
func TestRoPERelative(t *testing.T) {
	const d, seq = 10, 12
	cos, sin := RoPE{Base: 10000}.Table(seq, d)
	r := random(9)
	q, k := normal(r, "q", 1, d).data, normal(r, "k", 1, d).data
	score := func(tq, tk int) float64 {
		a, b := make([]float64, d), make([]float64, d)
		rotate(a, q, cos[tq*d/2:], sin[tq*d/2:], 1)
		rotate(b, k, cos[tk*d/2:], sin[tk*d/2:], 1)
		return dot(a, b, d)
	}
	for shift := range seq - 4 {
		if got, want := score(4+shift, 1+shift), score(3, 0); math.Abs(got-want) > 1e-12 {
			t.Errorf("score at positions %d and %d is %v, at 3 and 0 %v", 4+shift, 1+shift, got, want)
		}
	}
	if math.Abs(score(4, 0)-score(3, 0)) < 1e-3 {
		t.Error("the score does not depend on the distance")
	}
}
