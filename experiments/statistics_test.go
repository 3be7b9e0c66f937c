package experiments

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"mobilellm/internal/statistics"
)

// The numbers are scipy's, see testdata/golden.py.
func TestStatistics(t *testing.T) {
	raw, err := os.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Paired []struct {
			Differences      []float64
			Mean, SE, P, MDE float64
			Seeds            int
		}
		Orders []struct {
			X, Y              []float64
			Spearman, Kendall float64
		}
		Holm  struct{ P, Corrected []float64 }
		Power []struct {
			Effect float64
			N      int
			Power  float64
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want, within float64) {
		t.Helper()
		if !(math.Abs(got-want) <= within*max(1, math.Abs(want))) {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	for _, g := range golden.Paired {
		d := paired(g.Differences)
		near("mean", d.Mean, g.Mean, 1e-12)
		near("standard error", d.SE, g.SE, 1e-12)
		near("p", d.P, g.P, 1e-9)
		near("detectable difference", d.MDE, g.MDE, 1e-6)
		if d.Seeds != g.Seeds {
			t.Errorf("%d pairs: %d seeds needed, want %d", d.Pairs, d.Seeds, g.Seeds)
		}
	}
	for _, g := range golden.Orders {
		c := correlate(g.X, g.Y)
		near("Spearman", c.Spearman, g.Spearman, 1e-12)
		near("Kendall", c.Kendall, g.Kendall, 1e-12)
	}
	for i, p := range statistics.Holm(golden.Holm.P) {
		near("Holm", p, golden.Holm.Corrected[i], 1e-12)
	}
	for _, g := range golden.Power {
		near("power", powerOf(g.Effect, g.N), g.Power, 1e-7)
	}
}

func TestStatisticsOfLittle(t *testing.T) {
	if m, se := statistics.Mean([]float64{3}); m != 3 || !math.IsNaN(se) {
		t.Errorf("one value: %g ± %g", m, se)
	}
	one := paired([]float64{0.5})
	if one.Mean != 0.5 || !math.IsNaN(one.P) || one.Real() {
		t.Errorf("one pair: %+v", one)
	}
	if d := paired([]float64{0.25, 0.25, 0.25}); d.P != 0 || d.MDE != 0 || d.Seeds != 2 {
		t.Errorf("a difference without noise: %+v", d)
	}
	if d := paired([]float64{1e-9, -1e-9, 2e-9}); d.Seeds == 0 {
		t.Errorf("%+v", d)
	}
	if d := paired([]float64{1, -1}); d.Seeds != 0 || d.P != 1 {
		t.Errorf("no difference: %+v", d)
	}
	p := statistics.Holm([]float64{0.02, math.NaN(), 0.04})
	if p[0] != 0.04 || !math.IsNaN(p[1]) || p[2] != 0.04 {
		t.Errorf("Holm with NaN: %v", p)
	}
	if c := correlate([]float64{1}, []float64{2}); !math.IsNaN(c.Spearman) {
		t.Errorf("one member: %+v", c)
	}
	if c := correlate([]float64{1, 1}, []float64{2, 3}); !math.IsNaN(c.Spearman) || !math.IsNaN(c.Kendall) {
		t.Errorf("no order: %+v", c)
	}
}
