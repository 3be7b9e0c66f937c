package quant

import (
	"math"
	"testing"
)

// Each rule has the values that its bits have room for, and zeros stay finite.
func TestRound(t *testing.T) {
	x := make([]float32, 4001)
	for i := range x {
		x[i] = float32(i-2000) / 1000
	}
	for _, m := range Methods() {
		for _, b := range m.Bits() {
			r, err := WeightRule(m, b)
			if err != nil {
				t.Fatal(err)
			}
			y := make([]float32, len(x))
			Round(*r, y, x, r.Start(x))
			seen := map[float32]bool{}
			for i, v := range y {
				seen[v] = true
				if i > 0 && v < y[i-1] {
					t.Fatalf("%s of %s bits falls from %v to %v", m, b, y[i-1], v)
				}
			}
			most := int(math.Exp2(float64(b)) + 0.1)
			if n := len(seen); n > most || n < most-1 {
				t.Errorf("%s of %s bits has %d values", m, b, n)
			}
			zeros := make([]float32, 3)
			Round(*r, zeros, zeros, r.Start(zeros))
			for _, v := range zeros {
				if v-v != 0 {
					t.Errorf("%s of %s bits makes %v of 0", m, b, v)
				}
			}
		}
	}
}

// In 8 bits a row rounded to what its integers stand for is just that.
func TestRoundIsActivations(t *testing.T) {
	x := []float32{0.3, -1.7, 0.02, 5, -4.99, 1e-3}
	for _, s := range Schemes() {
		q, y := make([]uint8, len(x)), make([]float32, len(x))
		row := s.Activations(q, x)
		Round(Rule{Method: MinMax, Bits: 8, Scheme: s}, y, x, 0)
		for i, v := range q {
			if y[i] != row.Value(v) {
				t.Errorf("%s: %v is %v, its integer %v", s, x[i], y[i], row.Value(v))
			}
		}
		y[2] = float32(math.Inf(1))
		Round(Rule{Method: MinMax, Bits: 8, Scheme: s}, y, y, 0)
		if y[0] == y[0] {
			t.Errorf("%s: a row with an infinity is %v", s, y)
		}
	}
}
