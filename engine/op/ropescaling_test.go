package op

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// testdata/ropescaling.py wrote transformers' frequencies, which are float32.
func TestRoPEScalingTransformers(t *testing.T) {
	raw, err := os.ReadFile("testdata/ropescaling.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		HeadDim     int       `json:"head_dim"`
		Length      int       `json:"length"`
		Base        float64   `json:"base"`
		Kind        RoPEKind  `json:"kind"`
		Factor      float64   `json:"factor"`
		Original    int       `json:"original"`
		LowFreq     float64   `json:"low_freq"`
		HighFreq    float64   `json:"high_freq"`
		Frequencies []float64 `json:"frequencies"`
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		r := RoPE{c.Base, RoPEScaling{c.Kind, c.Factor, c.Original, c.LowFreq, c.HighFreq}}
		got := r.Frequencies(c.Length, c.HeadDim)
		if len(got) != len(c.Frequencies) {
			t.Fatalf("%+v: %d frequencies, want %d", r, len(got), len(c.Frequencies))
		}
		for i, want := range c.Frequencies {
			if math.Abs(got[i]-want) > 1e-6*want {
				t.Errorf("%+v, %d positions: frequency %d is %v, want %v", r, c.Length, i, got[i], want)
			}
		}
	}
}
