package arch

import (
	"math"
	"testing"
)

// At the paper's sizes (Table 9) the rules give the paper's models.
func TestForSizePaper(t *testing.T) {
	for size, want := range map[int64][4]int{ // layers, dim, heads, kv_heads
		125e6: {30, 576, 9, 3}, 350e6: {32, 960, 15, 5}, 600e6: {40, 1152, 18, 6}, 1000e6: {54, 1280, 20, 5}, 1500e6: {54, 1600, 25, 5},
	} {
		c, err := ForSize(size, 0)
		if got := [4]int{c.Layers, c.Dim, c.Heads, c.KVHeads}; err != nil || got != want || c.VocabSize != 32000 || c.Context != 2048 || c.InitStd != 0.02 {
			t.Errorf("%d: %v, %+v, want %v (%v)", size, got, c, want, err)
		}
	}
}

func TestForSize(t *testing.T) {
	before := 0
	for size := int64(MinSize); size <= MaxSize; size += size / 7 {
		c, err := ForSize(size, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		if off := float64(c.ParameterCount())/float64(size) - 1; math.Abs(off) > 0.1 {
			t.Errorf("%d: %d layers of %d have %d parameters, %.0f %% off", size, c.Layers, c.Dim, c.ParameterCount(), 100*off)
		}
		if c.Dim < before-64 {
			t.Errorf("%d: %d wide, a smaller model %d", size, c.Dim, before)
		}
		if c.Dim < 576 == (c.InitStd <= 0.02) || c.Context >= 4*c.Dim && c.Context > 256 || c.Dim > 512 && c.Context != 2048 {
			t.Errorf("%d: %d wide, initial weights of %g, a context of %d", size, c.Dim, c.InitStd, c.Context)
		}
		before = c.Dim
		t.Logf("%11d: %2d layers, dim %4d, %2d/%d heads, vocabulary %5d, init %.3f, %d parameters", size, c.Layers, c.Dim, c.Heads, c.KVHeads, c.VocabSize, c.InitStd, c.ParameterCount())
	}
	for _, bad := range []struct {
		size  int64
		vocab int
	}{{0, 0}, {-5, 0}, {MinSize - 1, 0}, {MaxSize + 1, 0}, {1e6, 200000}} {
		if c, err := ForSize(bad.size, bad.vocab); err == nil {
			t.Errorf("%d parameters, vocabulary %d: %+v", bad.size, bad.vocab, c)
		}
	}
}
