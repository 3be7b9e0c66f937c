package quant

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// goldenRow is a row with its integers by each scheme (testdata/golden.py).
type goldenRow struct {
	Name                 string
	X                    []float32
	Activations, Weights map[Scheme]struct {
		Q             []int32
		Scale, Offset float64
	}
}

func close(a float32, b float64) bool {
	return math.Abs(float64(a)-b) <= 1e-6*math.Abs(b)
}

// The integers of PyTorch by LLM-QAT's formulas, and of compressed-tensors.
func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []goldenRow
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if len(r.Activations) != len(Schemes()) || len(r.Weights) != 2 {
			t.Fatalf("%s: %d schemes of activations, %d of weights", r.Name, len(r.Activations), len(r.Weights))
		}
		for s, want := range r.Activations {
			q := make([]uint8, len(r.X))
			row := s.Activations(q, r.X)
			if !close(row.Scale, want.Scale) || !close(row.Offset, want.Offset) {
				t.Errorf("activations, %s, %s: %+v, want %g, %g", r.Name, s, row, want.Scale, want.Offset)
			}
			got := make([]int32, len(q))
			for i, v := range q {
				got[i] = int32(v) - row.Zero
			}
			if !slices.Equal(got, want.Q) {
				t.Errorf("activations, %s, %s: %d, want %d", r.Name, s, got, want.Q)
			}
		}
		for s, quantise := range map[Scheme]func([]int8, []float32) float32{Symmetric: Weights, Compressed: CompressedWeights} {
			want, q := r.Weights[s], make([]int8, len(r.X))
			if scale := quantise(q, r.X); !close(scale, want.Scale) {
				t.Errorf("weights, %s, %s: scale %g, want %g", r.Name, s, scale, want.Scale)
			}
			got := make([]int32, len(q))
			for i, v := range q {
				got[i] = int32(v)
			}
			if !slices.Equal(got, want.Q) {
				t.Errorf("weights, %s, %s: %d, want %d", r.Name, s, got, want.Q)
			}
		}
	}
}
