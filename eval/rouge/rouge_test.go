package rouge

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// Scores equal rouge-score's (testdata/golden.py).
func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Target, Text   string
		Rouge1, RougeL float64
	}
	if err := json.Unmarshal(raw, &rows); err != nil || len(rows) < 70 {
		t.Fatal(len(rows), err)
	}
	for _, r := range rows {
		if one, l := One(r.Target, r.Text), L(r.Target, r.Text); math.Abs(one-r.Rouge1) > 1e-12 || math.Abs(l-r.RougeL) > 1e-12 {
			t.Errorf("%q, %q: %g, %g, want %g, %g", r.Target, r.Text, one, l, r.Rouge1, r.RougeL)
		}
	}
}
