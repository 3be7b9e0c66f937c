package cpu

import (
	"math"
	"testing"

	"mobilellm/internal/bfloat16"
)

// TestExpSum walks the exponential's range and its ends.
func TestExpSum(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := []float32{0, 1, -1, 88, -87, -103, -200, -1e30, -inf, 0.5, -0.5, 10, -10, 1e-8, -50, 80, 89, nan, 3, 4}
	x = append(x, make([]float32, 12)...)
	for i := -1040; i <= 880; i++ {
		x = append(x, float32(i)/10)
	}
	dst := make([]float32, len(x))
	expSum(dst, x, 1, 0)
	for i, v := range x {
		want := math.Exp(float64(v))
		got := float64(dst[i])
		switch {
		case math.IsNaN(want):
			if !math.IsNaN(got) {
				t.Errorf("exp(%v) is %v", v, got)
			}
		case want > math.MaxFloat32:
			if !math.IsInf(got, 1) {
				t.Errorf("exp(%v) is %v", v, got)
			}
		case math.Abs(got-want) > 3e-7*want+1e-44:
			t.Errorf("exp(%v) is %v, want %v", v, got, want)
		}
	}
}

// TestRowsRoundAlike: the vectors and the numbers after the last whole vector are
// rounded to bf16 alike: ties, overflow, subnormal numbers and NaN.
func TestRowsRoundAlike(t *testing.T) {
	var x []float32
	for upper := range uint32(1 << 16) {
		for _, lower := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
			x = append(x, math.Float32frombits(upper<<16|lower))
		}
	}
	x = append(x, math.Float32frombits(0x7f800001), math.Float32frombits(0xffffffff)) // no whole vector
	got, want := make([]uint16, len(x)), make([]uint16, len(x))
	convert(got, x)
	convertPlain(want, x)
	for i := range x {
		if got[i] != want[i] {
			t.Fatalf("%#x is rounded to %#x, want %#x", math.Float32bits(x[i]), got[i], want[i])
		}
		if y := bfloat16.Float32(got[i]); (x[i] != x[i]) != (y != y) {
			t.Fatalf("%v became %v", x[i], y)
		}
	}
}
