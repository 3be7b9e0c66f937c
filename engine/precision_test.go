package engine_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/golden"
)

// precisionCase is testdata/precision.json: what rounding to bf16 costs PyTorch.
type precisionCase struct {
	Config       golden.Config `json:"config"`
	Batch        int           `json:"batch"`
	Seq          int           `json:"seq"`
	Tokens       []int32       `json:"tokens"`
	Targets      []int32       `json:"targets"`
	WeightStd    float64       `json:"weight_std"`
	Loss         float64       `json:"loss"` // in float64
	AutocastLoss float64       `json:"autocast_loss"`
	Gradients    map[string]struct {
		Stream int     `json:"stream"` // of the numbers that its weights are drawn from
		Norm   float64 `json:"norm"`
		Error  float64 `json:"error"` // |g − r| / |r| of autocast's g beside float64's r
		Scale  float64 `json:"scale"` // g·r / r·r
	} `json:"gradients"`
}

// params draws the weights that precision.py draws.
func (p precisionCase) params(config arch.Config) map[string][]float32 {
	params := make(map[string][]float32)
	for _, q := range config.Parameters() {
		stream := p.Gradients[q.Name].Stream
		values := make([]float32, q.Size())
		for i := range values {
			x := uint32(stream)<<24 + uint32(i)
			x = (x ^ x>>16) * 0x21F0AAAD
			x = (x ^ x>>15) * 0x735A2D97
			x ^= x >> 15
			u := float64(x>>8)/(1<<23) - 1
			if q.Norm {
				values[i] = float32(1 + u/4)
			} else {
				values[i] = float32(u * (p.WeightStd * math.Sqrt(3)))
			}
		}
		params[q.Name] = values
	}
	return params
}

// TestGradientsBesideAutocast holds the loss and every gradient, at the same
// weights, to PyTorch's in float64: float32 to rounding, and bf16 to what
// PyTorch's own autocast loses.
func TestGradientsBesideAutocast(t *testing.T) {
	raw, err := os.ReadFile("testdata/precision.json")
	if err != nil {
		t.Fatal(err)
	}
	var p precisionCase
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	config := configOf(p.Config, p.Seq)
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	run := func(t *testing.T, precision engine.Precision) (float64, map[string][]float32) {
		tr := newTrainer(t, dev, config, p.params(config), p.Batch, p.Seq, engine.Options{Precision: precision})
		loss := tr.gradients(t, golden.Batch{Tokens: p.Tokens, Targets: p.Targets})
		grads := make(map[string][]float32)
		for _, q := range tr.params {
			grads[q.Name] = slices.Clone(q.Grad) // goes with the weights
		}
		return loss, grads
	}
	var exact map[string][]float32
	t.Run("float32", func(t *testing.T) {
		var loss float64
		loss, exact = run(t, engine.PrecisionF32)
		if math.Abs(loss/p.Loss-1) > 1e-6 {
			t.Errorf("loss is %.8f, in float64 %.8f", loss, p.Loss)
		}
		for name, want := range p.Gradients {
			if d := norm(exact[name])/want.Norm - 1; math.Abs(d) > 1e-5 {
				t.Errorf("gradient of %s is longer than in float64 by %.1e of its length", name, d)
			}
		}
	})
	t.Run("bf16", func(t *testing.T) {
		if !dev.BF16() {
			t.Skip("needs oneDNN and a processor with bf16 matmuls")
		}
		loss, rounded := run(t, engine.PrecisionBF16)
		t.Logf("loss is %+.1e of float64's off, autocast's %+.1e", loss/p.Loss-1, p.AutocastLoss/p.Loss-1)
		if math.Abs(loss/p.Loss-1) > 1e-3 {
			t.Errorf("loss is %.6f, in float64 %.6f", loss, p.Loss)
		}
		for _, q := range config.Parameters() {
			name, want, tolerance := q.Name, p.Gradients[q.Name], 1.15
			if q.Norm {
				tolerance = 1.4 // few elements: the error itself varies more by chance
			}
			e, s := beside(rounded[name], exact[name])
			t.Logf("%-48s error %.4f, autocast's %.4f, scale %.4f, autocast's %.4f", name, e, want.Error, s, want.Scale)
			if e > tolerance*want.Error {
				t.Errorf("gradient of %s is %.4f of its length from float32's, autocast's %.4f", name, e, want.Error)
			}
			if math.Abs(s-1) > math.Abs(want.Scale-1)+0.005 {
				t.Errorf("gradient of %s is %.4f times as long along float32's, autocast's %.4f", name, s, want.Scale)
			}
		}
	})
}

func norm(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// beside returns |g − r| / |r| and g·r / r·r.
func beside(g, r []float32) (err, scale float64) {
	var diff, dot, square float64
	for i := range r {
		x, y := float64(g[i]), float64(r[i])
		diff += (x - y) * (x - y)
		dot += x * y
		square += y * y
	}
	return math.Sqrt(diff / square), dot / square
}
