package quant

import (
	"math"
	"slices"
	"testing"
)

func TestActivations(t *testing.T) {
	x := []float32{-1, 0.5, 0.25, 0, 2}
	for s, want := range map[Scheme]struct {
		q   []uint8
		row Row
	}{
		Symmetric:  {[]uint8{128 - 63, 128 + 32, 128 + 16, 128, 255}, Row{Scale: 2.0 / 127, Zero: 128}},
		Asymmetric: {[]uint8{0, 128, 106, 85, 255}, Row{Scale: 3.0 / 255, Offset: -1}},
		Compressed: {[]uint8{128 - 64, 128 + 32, 128 + 16, 128, 255}, Row{Scale: 2 / 127.5, Zero: 128}},
	} {
		q := make([]uint8, len(x))
		row := s.Activations(q, x)
		if !slices.Equal(q, want.q) || math.Abs(float64(row.Scale/want.row.Scale-1)) > 1e-5 || row.Offset != want.row.Offset || row.Zero != want.row.Zero {
			t.Errorf("%s: %v, %+v, want %v, %+v", s, q, row, want.q, want.row)
		}
		for _, odd := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
			if row := s.Activations(q[:2], []float32{1, odd}); row.Scale == row.Scale {
				t.Errorf("%s: a row with %v has scale %v", s, odd, row.Scale)
			}
		}
		if row := s.Activations(q[:2], []float32{0, 0}); row.Value(q[0]) != 0 {
			t.Errorf("%s: a zero stands for %v", s, row.Value(q[0]))
		}
	}
}

func TestWeights(t *testing.T) {
	q := make([]int8, 4)
	if scale := Weights(q, []float32{-0.5, 0.25, 0.125, 0}); !slices.Equal(q, []int8{-127, 63, 32, 0}) || math.Abs(float64(scale)*127/0.5-1) > 1e-5 {
		t.Errorf("%v, %v", q, scale)
	}
	if scale := Weights(q[:2], []float32{0, 0}); q[0] != 0 || scale != scale {
		t.Errorf("zeros: %v, %v", q[:2], scale)
	}
	if err := Finite([]float32{1, float32(math.Inf(-1))}); err == nil {
		t.Error("an infinity is finite")
	}
}

func TestParseScheme(t *testing.T) {
	for _, s := range Schemes() {
		if got, err := ParseScheme(string(s)); err != nil || got != s {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	if s, err := ParseScheme(""); err != nil || s != Symmetric {
		t.Errorf("the default is %s, %v", s, err)
	}
	if s, err := ParseScheme("other"); err == nil {
		t.Errorf("other is %s", s)
	}
}
