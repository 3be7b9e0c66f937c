package arch

import (
	"strings"
	"testing"

	"mobilellm/internal/quant"
)

func TestQuantizeErrors(t *testing.T) {
	for _, test := range []struct {
		q    Quantize
		want string
	}{
		{Quantize{Weights: 1}, "model.quantize.weights (1): 1 bits have no method minmax for weights: it takes 16 or 8, 4, 3, 2; lsq 8, 4, 3, 2, 1; seq 4, 3, 2, 1.58; sign 1"},
		{Quantize{Weights: 5, Method: quant.LSQ}, "model.quantize.weights (5): 5 bits have no method lsq"},
		{Quantize{Weights: 8, Method: quant.Sign}, "model.quantize.weights (8): 8 bits have no method sign"},
		{Quantize{Activations: 4}, "model.quantize.activations (4): activations of 4 bits have no method minmax: choose 16 or 8, or 1 with sign"},
		{Quantize{Activations: 1}, "model.quantize.activations (1)"},
		{Quantize{Method: "gptq"}, "model.quantize.method (gptq) must be minmax, lsq, seq or sign"},
		{Quantize{Scheme: "static"}, "model.quantize.scheme (static) must be symmetric, asymmetric or compressed-tensors"},
	} {
		c := Default()
		c.Quantize = test.q
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.q, err, test.want)
		}
	}
	for _, m := range quant.Methods() {
		for _, b := range append(m.Bits(), 16) {
			c := Default()
			c.Quantize = Quantize{Weights: b, Method: m, Activations: 8}
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A learned step or clip stands behind its matrix, and is no product's weight.
func TestClips(t *testing.T) {
	c := Default()
	plain := c
	c.Quantize = Quantize{Weights: 4, Method: quant.LSQ}
	list := c.Parameters()
	if got := list[3]; got.Name != "model.layers.0.self_attn.q_proj.weight_clip_val" || got.Of != list[2].Name || got.Shape[0] != 576 || got.Decays() {
		t.Errorf("%+v", got)
	}
	if a, b := len(list), len(plain.Parameters()); a != b+7*30 {
		t.Errorf("%d parameters, %d without", a, b)
	}
	if a, b := c.TrainingFLOPs(512), plain.TrainingFLOPs(512); a != b {
		t.Errorf("%d FLOPs, %d without", a, b)
	}
	c.Quantize.Method, c.Quantize.Weights = quant.MinMax, 8
	if a, b := len(c.Parameters()), len(plain.Parameters()); a != b {
		t.Errorf("minmax: %d parameters, want %d", a, b)
	}
}
