package cpu

import (
	"math"
	"testing"
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
