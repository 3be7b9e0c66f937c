package arch

import (
	"strings"
	"testing"

	"mobilellm/engine/op"
)

func TestRoPE(t *testing.T) {
	for _, tt := range []struct {
		scaling RoPEScaling
		want    op.RoPEScaling
	}{
		{RoPEScaling{}, op.RoPEScaling{}},
		{RoPEScaling{Type: PlainRoPE, Factor: 3}, op.RoPEScaling{}},
		{RoPEScaling{Type: LinearRoPE, Factor: 3}, op.RoPEScaling{Kind: op.LinearRoPE, Factor: 3}},
		{RoPEScaling{Type: DynamicRoPE, Factor: 2}, op.RoPEScaling{Kind: op.DynamicRoPE, Factor: 2, Original: 2048}},
		{
			RoPEScaling{Type: Llama3RoPE, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 512},
			op.RoPEScaling{Kind: op.Llama3RoPE, Factor: 8, Original: 512, LowFreq: 1, HighFreq: 4},
		},
	} {
		c := Default()
		c.RoPEScaling = tt.scaling
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", tt.scaling, err)
		}
		if got, want := c.Resolved().RoPE(), (op.RoPE{Base: 10000, Scaling: tt.want}); got != want {
			t.Errorf("%+v is %+v, want %+v", tt.scaling, got, want)
		}
	}
}

func TestRoPEScalingErrors(t *testing.T) {
	llama3 := RoPEScaling{Type: Llama3RoPE, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 512}
	for _, tt := range []struct {
		change func(*RoPEScaling)
		want   string
	}{
		{func(s *RoPEScaling) { s.Type = "yarn" }, "model.rope_scaling.type (yarn) must be none, linear, dynamic or llama3"},
		{func(s *RoPEScaling) { s.Factor = 0 }, "model.rope_scaling.factor (0) must be a positive number"},
		{func(s *RoPEScaling) { s.Factor = 0.5 }, "model.rope_scaling.factor (0.5) must be at least 1"},
		{func(s *RoPEScaling) { s.LowFreqFactor = 0 }, "model.rope_scaling.low_freq_factor (0) must be a positive number"},
		{func(s *RoPEScaling) { s.HighFreqFactor = 1 }, "model.rope_scaling.low_freq_factor (1) must be less than high_freq_factor (1)"},
		{func(s *RoPEScaling) { s.OriginalContext = 0 }, "model.rope_scaling.original_context (0) must be positive"},
	} {
		c := Default()
		c.RoPEScaling = llama3
		tt.change(&c.RoPEScaling)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %s", c.RoPEScaling, err, tt.want)
		}
	}
}
