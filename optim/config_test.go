package optim

import (
	"math"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"mobilellm/internal/choices"
)

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		yaml, want string
	}{
		{"name: adamax", `optim.name ("adamax") must be ` + choices.Of(Names())},
		{"schedule: step", `optim.schedule ("step") must be cosine, linear, constant or wsd`},
		{"moments: fp16", `optim.moments ("fp16") must be float32 or bf16`},
		{"moments: ''", `optim.moments ("") must be float32 or bf16`},
		{"{moments: bf16, name: sgd}", "optim.moments (bf16) must be float32 where optim.name is sgd"},
		{"{moments: bf16, betas: [0.9, 0.999]}", "optim.betas[1] (0.999) must be at most 0.996 where optim.moments is bf16: a moment would not fall"},
		{"{moments: bf16, betas: [0.997, 0.95]}", "optim.betas[0] (0.997) must be at most 0.996 where optim.moments is bf16: a moment would not fall"},
		{"lr: -1", "optim.lr (-1) must be positive"},
		{"lr: 0", "optim.lr (0) must be positive"},
		{"lr: .nan", "optim.lr (NaN) must be positive"},
		{"lr: .inf", "optim.lr (+Inf) must be positive"},
		{"betas: [1, 0.95]", "optim.betas[0] (1) must be at least 0 and less than 1"},
		{"betas: [0.9, -0.1]", "optim.betas[1] (-0.1) must be at least 0 and less than 1"},
		{"eps: 0", "optim.eps (0) must be positive"},
		{"weight_decay: -0.1", "optim.weight_decay (-0.1) must not be negative"},
		{"momentum: 1", "optim.momentum (1) must be at least 0 and less than 1"},
		{"muon: {lr: -1}", "optim.muon.lr (-1) must not be negative (0 takes optim.lr)"},
		{"muon: {lr: .nan}", "optim.muon.lr (NaN) must not be negative (0 takes optim.lr)"},
		{"muon: {momentum: 1}", "optim.muon.momentum (1) must be at least 0 and less than 1"},
		{"muon: {adjust_lr_fn: rms}", `optim.muon.adjust_lr_fn ("rms") must be match_rms_adamw, original or spectral_unclamped`},
		{"{moments: bf16, name: muon}", "optim.moments (bf16) must be float32 where optim.name is muon"},
		{"clip: -1", "optim.clip (-1) must not be negative (0 turns clipping off)"},
		{"warmup_steps: -1", "optim.warmup_steps (-1) must not be negative"},
		{"min_lr_ratio: 2", "optim.min_lr_ratio (2) must be between 0 and 1"},
		{"decay_steps: -1", "optim.decay_steps (-1) must not be negative"},
		{"decay_fraction: 1.5", "optim.decay_fraction (1.5) must be between 0 and 1"},
	} {
		c := Default()
		if err := yaml.Unmarshal([]byte(tt.yaml), &c); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.yaml, err, tt.want)
		}
		if _, err := New(c, nil, Serial()); err == nil {
			t.Errorf("%s: New took it", tt.yaml)
		}
		if _, _, err := NewSchedule(c, 10); err == nil {
			t.Errorf("%s: NewSchedule took it", tt.yaml)
		}
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.Tag.Get("yaml") == "" || f.Tag.Get("help") == "" {
			t.Errorf("%s lacks a yaml or help tag", f.Name)
		}
	}
}

func TestNewRejects(t *testing.T) {
	x := make([]float32, 2)
	for _, tt := range []struct {
		params []Param
		want   string
	}{
		{[]Param{{Value: x, Grad: x}}, "optim: parameter 0 has no name"},
		{[]Param{{Name: "w", Value: x, Grad: x}, {Name: "w", Value: x, Grad: x}}, "optim: parameter w is given twice"},
		{[]Param{{Name: "w", Value: x, Grad: x, Hidden: [2]int{2, 3}}}, "optim: parameter w of shape [2 3] has 2 values"},
		{[]Param{{Name: "w", Value: x, Grad: x, Hidden: [2]int{-1, -2}}}, "optim: parameter w of shape [-1 -2] has 2 values"},
		{[]Param{{Name: "w", Value: x, Grad: x[:1]}}, "optim: parameter w has 2 values and 1 gradients"},
	} {
		if _, err := New(Default(), tt.params, Serial()); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestClipScale(t *testing.T) {
	for _, tt := range []struct {
		norm, clip float64
		want       float32
	}{
		{4, 1, 0.25},
		{0.5, 1, 1},
		{0, 1, 1},
		{100, 0, 1},
		{math.Inf(1), 1, 0},
	} {
		if got := ClipScale(tt.norm, tt.clip); math.Abs(float64(got-tt.want)) > 1e-6 {
			t.Errorf("ClipScale(%v, %v) = %v, want %v", tt.norm, tt.clip, got, tt.want)
		}
	}
	if got := ClipScale(math.NaN(), 1); got == got {
		t.Errorf("ClipScale(NaN, 1) = %v, want NaN", got)
	}
}
