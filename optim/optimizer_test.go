package optim

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// pool is a Parallel with real workers that take indices as they come.
type pool int

func (w pool) Workers() int { return int(w) }

func (w pool) For(n int, f func(worker, i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for worker := range int(w) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(worker, i)
			}
		})
	}
	wg.Wait()
}

// testParams makes parameters that span several chunks, with tails.
func testParams() []Param {
	gen := generator(7)
	params := []Param{
		{Name: "embed", Decay: true},
		{Name: "norm"},
		{Name: "one", Decay: true},
		{Name: "empty"},
		{Name: "wide", Decay: true, Hidden: [2]int{5, 12}},
		{Name: "tall", Decay: true, Hidden: [2]int{12, 5}},
		{Name: "square", Decay: true, Hidden: [2]int{9, 9}},
	}
	for i, n := range []int{3*chunkSize + 21, chunkSize, 1, 0, 60, 60, 81} {
		params[i].Value, params[i].Grad = make([]float32, n), make([]float32, n)
		gen.fill(params[i].Value, 1)
		gen.fill(params[i].Grad, 0.01)
	}
	return params
}

func configs() map[string]Config {
	all := map[string]Config{}
	for _, k := range kinds {
		c := Default()
		c.Name = k.name
		all[k.name] = c
		if k.bf16 {
			c.Moments = MomentsBF16
			all[k.name+" in bf16"] = c
		}
	}
	bare := all[NameSGD]
	bare.Momentum = 0
	all["sgd without momentum"] = bare
	return all
}

func TestWorkersDoNotChangeTheResult(t *testing.T) {
	for name, cfg := range configs() {
		t.Run(name, func(t *testing.T) {
			one, many := testParams(), testParams()
			a, err := New(cfg, one, Serial())
			if err != nil {
				t.Fatal(err)
			}
			b, err := New(cfg, many, pool(3))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				a.Step(1e-2, 0.5)
				b.Step(1e-2, 0.5)
			}
			for i := range one {
				equalBits(t, one[i].Name, many[i].Value, one[i].Value)
			}
			if x, y := GradNorm(one, Serial()), GradNorm(many, pool(3)); x != y {
				t.Errorf("norm %v with one worker, %v with three", x, y)
			}
		})
	}
}

func TestResume(t *testing.T) {
	for name, cfg := range configs() {
		t.Run(name, func(t *testing.T) {
			whole, half := testParams(), testParams()
			a, err := New(cfg, whole, Serial())
			if err != nil {
				t.Fatal(err)
			}
			b, err := New(cfg, half, Serial())
			if err != nil {
				t.Fatal(err)
			}
			for range 4 {
				a.Step(1e-2, 1)
			}
			b.Step(1e-2, 1)
			b.Step(1e-2, 1)

			c, err := New(cfg, half, Serial())
			if err != nil {
				t.Fatal(err)
			}
			restored := c.State()
			for i, s := range b.State() {
				if restored[i].Name != s.Name || restored[i].Param != s.Param {
					t.Fatalf("state %d is %s, was %s", i, restored[i].Name, s.Name)
				}
				copy(restored[i].Data, s.Data)
				copy(restored[i].BF16, s.BF16)
			}
			c.SetSteps(b.Steps())
			c.Step(1e-2, 1)
			c.Step(1e-2, 1)
			if c.Steps() != 4 {
				t.Errorf("%d steps, want 4", c.Steps())
			}
			for i := range whole {
				equalBits(t, whole[i].Name, half[i].Value, whole[i].Value)
			}
		})
	}
}

// The kernels that this build and machine choose, against the plain ones.
func TestKernelsAgreeToTheBit(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 1000, 4099} {
		gen := generator(n)
		fresh := func(scale float64) (a, b []float32) {
			a = make([]float32, n)
			gen.fill(a, scale)
			return a, append([]float32(nil), a...)
		}
		p, p2 := fresh(1)
		g, _ := fresh(1e-2)
		m, m2 := fresh(1e-3)
		v, v2 := fresh(1e-4)
		for i := range v {
			v[i] = v[i] * v[i]
			v2[i] = v[i]
		}
		if n > 20 {
			g[3], g[17] = 0, float32(math.Inf(1)) // a zero and an overflow travel alike
		}
		adam := &adamScalars{
			gradScale: 0.37, l2: 0.1, keep: 0.9998, beta1c: 0.1, beta2: 0.95, beta2c: 0.05,
			rootScale: 1.7, eps: 1e-8, stepSize: 3e-3,
		}
		p3, m3, v3 := slices.Clone(p), toBF16(m), toBF16(v)
		p4, m4, v4 := slices.Clone(p), toBF16(m), toBF16(v)
		adamUpdateBF16(p3, g, m3, v3, adam)
		adamBF16Plain(p4, g, m4, v4, adam)
		equalBits(t, "adam value of bf16 moments", p3, p4)
		equalBF16(t, "adam mean in bf16", m3, m4)
		equalBF16(t, "adam square in bf16", v3, v4)

		adamUpdate(p, g, m, v, adam)
		adamPlain(p2, g, m2, v2, adam)
		equalBits(t, "adam value", p, p2)
		equalBits(t, "adam mean", m, m2)
		equalBits(t, "adam square", v, v2)

		sgd := &sgdScalars{gradScale: 0.37, l2: 0.1, momentum: 0.9, lr: 0.05}
		p, p2 = fresh(1)
		m, m2 = fresh(1)
		momentumUpdate(p, g, m, sgd)
		momentumPlain(p2, g, m2, sgd)
		equalBits(t, "momentum value", p, p2)
		equalBits(t, "momentum buffer", m, m2)

		p, p2 = fresh(1)
		sgdUpdate(p, g, sgd)
		sgdPlain(p2, g, sgd)
		equalBits(t, "sgd value", p, p2)

		if n > 20 {
			g[17] = -1e30 // its square overflows float32 but not the sum
		}
		if got, want := sumSquares(g), sumSquaresPlain(g); got != want {
			t.Errorf("%d elements: sum of squares %v, plain %v", n, got, want)
		}
	}
}

// equalBits treats all NaNs as one: their payload is the hardware's choice.
func equalBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", name, len(got), len(want))
	}
	for i := range got {
		bothNaN := got[i] != got[i] && want[i] != want[i]
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && !bothNaN {
			t.Fatalf("%s[%d] of %d = %v, want %v", name, i, len(got), got[i], want[i])
		}
	}
}

func TestGradNorm(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	big := make([]float32, chunkSize+5)
	for i := range big {
		big[i] = 2
	}
	for _, tt := range []struct {
		name  string
		grads [][]float32
		want  float64
	}{
		{"none", nil, 0},
		{"3-4-5", [][]float32{{3}, {0, 4}}, 5},
		{"past a chunk", [][]float32{big}, 2 * math.Sqrt(chunkSize+5)},
		{"beyond float32's squares", [][]float32{{3e30}, {4e30}}, 5e30},
		{"infinity", [][]float32{{1}, {inf, 1}}, math.Inf(1)},
		{"NaN", [][]float32{{1, nan}, {inf}}, math.NaN()},
		{"NaN in a vector", [][]float32{append(make([]float32, 40), nan), make([]float32, 9)}, math.NaN()},
	} {
		var params []Param
		for _, g := range tt.grads {
			params = append(params, Param{Value: make([]float32, len(g)), Grad: g})
		}
		got := GradNorm(params, pool(2))
		if !(math.Abs(got-tt.want) <= 1e-6*tt.want) && got != tt.want && !(got != got && tt.want != tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	for name, cfg := range configs() {
		params := testParams()
		opt, err := New(cfg, params, Serial())
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(20, func() {
			opt.Step(1e-3, ClipScale(GradNorm(params, Serial()), cfg.Clip))
		}); n != 0 {
			t.Errorf("%s: %v allocations a step", name, n)
		}
	}
}

// A norm scale stays put under weight decay alone; a decaying weight shrinks.
func TestDecayGroups(t *testing.T) {
	for _, name := range Names() {
		cfg := Default()
		cfg.Name = name
		params := []Param{
			{Name: "matrix", Decay: true, Hidden: [2]int{1, 1}, Value: []float32{1}, Grad: []float32{0}},
			{Name: "w", Decay: true, Value: []float32{1}, Grad: []float32{0}},
			{Name: "norm", Value: []float32{1}, Grad: []float32{0}},
		}
		opt, err := New(cfg, params, Serial())
		if err != nil {
			t.Fatal(err)
		}
		opt.Step(0.1, 1)
		if params[0].Value[0] >= 1 || params[1].Value[0] >= 1 || params[2].Value[0] != 1 {
			t.Errorf("%s: matrix %v, weight %v, norm %v", name, params[0].Value[0], params[1].Value[0], params[2].Value[0])
		}
	}
}

func BenchmarkAdamW(b *testing.B) { benchmarkAdamW(b, MomentsFloat32, 28) }

func BenchmarkAdamWBF16(b *testing.B) { benchmarkAdamW(b, MomentsBF16, 20) }

// bytes are those of a weight: value, gradient and two moments are read, all but
// the gradient written.
func benchmarkAdamW(b *testing.B, moments string, bytes int64) {
	const n = 16 << 20
	cfg := Default()
	cfg.Moments = moments
	params := []Param{{Name: "w", Decay: true, Value: make([]float32, n), Grad: make([]float32, n)}}
	gen := generator(1)
	gen.fill(params[0].Grad, 0.01)
	opt, err := New(cfg, params, pool(2))
	if err != nil {
		b.Fatal(err)
	}
	opt.Step(1e-3, 1) // the first step touches fresh memory
	b.SetBytes(bytes * n)
	for b.Loop() {
		opt.Step(1e-3, 1)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gparams/s")
}

func BenchmarkGradNorm(b *testing.B) {
	const n = 16 << 20
	params := []Param{{Name: "w", Grad: make([]float32, n), Value: make([]float32, n)}}
	b.SetBytes(4 * n)
	for b.Loop() {
		GradNorm(params, pool(2))
	}
}
