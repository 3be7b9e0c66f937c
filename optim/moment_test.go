package optim

import (
	"encoding/binary"
	"math"
	"testing"

	"mobilellm/internal/bfloat16"
)

func toBF16(x []float32) []uint16 {
	h := make([]uint16, len(x))
	for i := range x {
		h[i] = bfloat16.Round(x[i])
	}
	return h
}

func equalBF16(t *testing.T, name string, got, want []uint16) {
	t.Helper()
	wide := func(h []uint16) []float32 {
		x := make([]float32, len(h))
		for i := range h {
			x[i] = bfloat16.Float32(h[i])
		}
		return x
	}
	equalBits(t, name, wide(got), wide(want))
}

// The kernels of this build store any value as the plain one does: ties,
// overflow, numbers below the normal ones, NaN.
func TestKernelsRoundAlike(t *testing.T) {
	const n = 1 << 12
	// With beta1c and beta2 1 and no gradient scale the first moment becomes the
	// weight times l2, and the square stays.
	s := &adamScalars{l2: 1, keep: 1, beta1c: 1, beta2: 1, rootScale: 1, eps: 1}
	p, g := make([]float32, n), make([]float32, n)
	gen := uint32(3)
	for i := range p {
		gen = gen*1664525 + 1013904223
		bits := gen &^ 0xffff
		switch i % 4 {
		case 0:
			bits |= 0x8000 // a tie
		case 1:
			bits |= 0x7fff + gen>>8&3
		default:
			bits = gen>>16 | gen<<16
		}
		p[i] = math.Float32frombits(bits)
	}
	p[0], p[1], p[2] = math.MaxFloat32, float32(math.Inf(-1)), math.Float32frombits(0x7fffffff)
	m, v := make([]uint16, n), make([]uint16, n)
	for i := range v {
		v[i] = uint16(i * 16)
	}
	m2, v2 := append([]uint16(nil), m...), append([]uint16(nil), v...)
	p2 := append([]float32(nil), p...)
	adamUpdateBF16(p, g, m, v, s)
	adamBF16Plain(p2, g, m2, v2, s)
	equalBits(t, "value", p, p2)
	equalBF16(t, "mean", m, m2)
	equalBF16(t, "square", v, v2)
	if x := bfloat16.Float32(m[2]); x == x {
		t.Errorf("a NaN was stored as %v", x)
	}
	if x := float64(bfloat16.Float32(m[0])); !math.IsInf(x, 1) {
		t.Errorf("the largest float32 was stored as %v", x)
	}
}

// The update of 20 steps with moments in bf16 is that in float32 but for 1 %.
func TestBF16MomentsStayClose(t *testing.T) {
	for _, name := range []string{NameAdamW, NameAdam} {
		wide := trainGolden(t, name, MomentsFloat32)
		half := trainGolden(t, name, MomentsBF16)
		start, _ := goldenParams()
		for i := range start {
			var difference, update float64
			for j, x := range start[i].Value {
				d, u := float64(half[i].Value[j]-wide[i].Value[j]), float64(wide[i].Value[j]-x)
				difference, update = difference+d*d, update+u*u
			}
			if share := math.Sqrt(difference / update); !(share > 0 && share < 0.01) {
				t.Errorf("%s, %s: the update differs by %.3g %%", name, start[i].Name, 100*share)
			}
		}
	}
}

// trainGolden runs the 20 updates of testdata/golden.py.
func trainGolden(t *testing.T, name, moments string) []Param {
	t.Helper()
	const steps = 20
	cfg := Default()
	cfg.Name, cfg.Moments, cfg.WarmupSteps = name, moments, 5
	params, gen := goldenParams()
	opt, err := New(cfg, params, Serial())
	if err != nil {
		t.Fatal(err)
	}
	schedule, _, err := NewSchedule(cfg, steps)
	if err != nil {
		t.Fatal(err)
	}
	for step := range steps {
		for _, p := range params {
			gen.fill(p.Grad, 0.0625*float64(1+step%5))
		}
		opt.Step(schedule.LR(step), ClipScale(GradNorm(params, Serial()), cfg.Clip))
	}
	return params
}

// State gives the memory that the moments are kept in, 4 bytes a weight in all.
func TestBF16State(t *testing.T) {
	cfg := Default()
	cfg.Moments = MomentsBF16
	params := testParams()
	opt, err := New(cfg, params, Serial())
	if err != nil {
		t.Fatal(err)
	}
	opt.Step(1e-3, 1)
	weights, bytes := 0, 0
	for _, p := range params {
		weights += len(p.Value)
	}
	for _, s := range opt.State() {
		if s.Data != nil || s.BF16 == nil {
			t.Errorf("%s is not in bf16", s.Name)
		}
		bytes += binary.Size(s.BF16)
	}
	if bytes != 4*weights {
		t.Errorf("%d bytes of moments for %d weights", bytes, weights)
	}
	// The first step makes the moments (1−β₁)·g and (1−β₂)·g².
	g := float64(params[0].Grad[5])
	state := opt.State()
	for i, want := range []float64{(1 - cfg.Betas[0]) * g, (1 - cfg.Betas[1]) * g * g} {
		if got := float64(bfloat16.Float32(state[i].BF16[5])); math.Abs(got-want) > math.Abs(want)/256 {
			t.Errorf("%s[5] = %v, want about %v", state[i].Name, got, want)
		}
	}
}

// Up to the largest beta that Validate takes, every moment falls without
// gradient; not so with the usual 0.999.
func TestBF16MomentsFall(t *testing.T) {
	falls := func(beta float64) bool {
		s := &adamScalars{beta1c: float32(1 - beta), beta2: float32(beta), keep: 1, eps: 1}
		const n = 128 // every bf16 of one binade
		p, g, m, v := make([]float32, n), make([]float32, n), make([]uint16, n), make([]uint16, n)
		for i := range m {
			m[i] = bfloat16.Round(1) + uint16(i)
			v[i] = m[i]
		}
		adamUpdateBF16(p, g, m, v, s)
		for i := range m {
			if was := bfloat16.Round(1) + uint16(i); m[i] >= was || v[i] >= was {
				return false
			}
		}
		return true
	}
	if !falls(maxBetaBF16) || !falls(0.95) {
		t.Error("a moment that Validate lets pass does not fall")
	}
	if falls(0.999) {
		t.Error("with beta 0.999 every moment falls: Validate need not refuse it")
	}
}
