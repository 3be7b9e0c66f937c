package optim

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// goldenCase is one run of testdata/golden.py.
type goldenCase struct {
	LR     []float64            `json:"lr"`
	Norm   []float64            `json:"norm"`
	Values [][]float32          `json:"values"` // elements 0 and 16 of each parameter, each step
	Final  map[string][]float32 `json:"final"`
	State  map[string][]float32 `json:"state"`
}

// generator is the one of golden.py.
type generator uint32

func (g *generator) fill(x []float32, scale float64) {
	for i := range x {
		*g = *g*1664525 + 1013904223
		x[i] = float32((float64(*g>>8)/(1<<24) - 0.5) * scale)
	}
}

// goldenParams are the weights of golden.py before the first step, and its
// generator where the gradients begin.
func goldenParams() ([]Param, generator) {
	return drawn([]Param{{Name: "embed", Decay: true}, {Name: "proj", Decay: true}, {Name: "norm"}}, 131, 64, 17)
}

// goldenMatrices are those of Muon.
func goldenMatrices() ([]Param, generator) {
	return drawn([]Param{
		{Name: "embed", Decay: true},
		{Name: "wide", Decay: true, Hidden: [2]int{6, 14}},
		{Name: "tall", Decay: true, Hidden: [2]int{20, 8}},
		{Name: "square", Decay: true, Hidden: [2]int{7, 7}},
		{Name: "norm"},
	}, 131, 6*14, 20*8, 7*7, 17)
}

func drawn(params []Param, sizes ...int) ([]Param, generator) {
	gen := generator(1)
	for i, n := range sizes {
		params[i].Value, params[i].Grad = make([]float32, n), make([]float32, n)
		gen.fill(params[i].Value, 0.125)
	}
	return params, gen
}

func TestPyTorch(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]goldenCase
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}

	adamw := Default()
	adamw.WarmupSteps = 5
	adam := adamw
	adam.Name = NameAdam
	sgd := adamw
	sgd.Name, sgd.LR = NameSGD, 0.05
	bare := sgd
	bare.Momentum, bare.Schedule, bare.WarmupSteps = 0, ScheduleConstant, 0
	muon := adamw
	muon.Name = NameMuon
	original := muon
	original.Muon.LR, original.Muon.AdjustLR = 0.02, "original"
	spectral := original
	spectral.Muon = Muon{LR: 0.02, Momentum: 0.9, AdjustLR: "spectral_unclamped"}

	for name, cfg := range map[string]Config{
		"adamw": adamw, "adam": adam, "sgd": sgd, "sgd without momentum": bare,
		"muon": muon, "muon, original": original, "muon, spectral_unclamped without nesterov": spectral,
	} {
		t.Run(name, func(t *testing.T) {
			want, ok := golden[name]
			if !ok {
				t.Fatal("not in golden.json")
			}
			params, gen := goldenParams()
			if cfg.Name == NameMuon {
				params, gen = goldenMatrices()
			}
			opt, err := New(cfg, params, Serial())
			if err != nil {
				t.Fatal(err)
			}
			steps := len(want.LR)
			schedule, warning, err := NewSchedule(cfg, steps)
			if err != nil || warning != "" {
				t.Fatal(err, warning)
			}

			for step := range steps {
				for _, p := range params {
					gen.fill(p.Grad, 0.0625*float64(1+step%5))
				}
				norm, lr := GradNorm(params, Serial()), schedule.LR(step)
				if !near(norm, want.Norm[step]) || !near(lr, want.LR[step]) {
					t.Fatalf("step %d: norm %v, lr %v; want %v, %v", step, norm, lr, want.Norm[step], want.LR[step])
				}
				opt.Step(lr, ClipScale(norm, cfg.Clip))
				for i, p := range params {
					compare(t, p.Name, []float32{p.Value[0], p.Value[16]}, want.Values[step][2*i:2*i+2])
				}
			}
			for _, p := range params {
				compare(t, p.Name, p.Value, want.Final[p.Name])
			}
			state := opt.State()
			if len(state) != len(want.State) {
				t.Errorf("%d state tensors, want %d", len(state), len(want.State))
			}
			for _, s := range state {
				compare(t, s.Name, s.Data, want.State[s.Name])
			}
		})
	}
}

// near allows what float32 rounding in torch's own sums accounts for.
func near(got, want float64) bool { return math.Abs(got-want) <= 1e-6*math.Abs(want) }

func compare(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", name, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= 1e-6) {
			t.Fatalf("%s[%d] = %v, want %v", name, i, got[i], want[i])
		}
	}
}
