//go:build linux

package kernels_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/internal/bfloat16"
	"mobilellm/optim"
)

// update is three steps of the parameters of an optimizer, by package optim and by
// a kernel.
type update struct {
	cfg    optim.Config
	sizes  []int
	decays []bool
}

func (u update) total() (n int) {
	for _, s := range u.sizes {
		n += s
	}
	return n
}

const (
	updates = 3
	rate    = 1e-2
	clip    = 0.5
)

// reference makes the updates by package optim and returns all values and state,
// each end to end.
func (u update) reference(t *testing.T, values []float32, grads [updates][]float32) (after []float64, state [][]float64) {
	t.Helper()
	values = slices.Clone(values)
	params := make([]optim.Param, len(u.sizes))
	at := 0
	for i, n := range u.sizes {
		params[i] = optim.Param{Name: fmt.Sprint(i), Value: values[at : at+n], Grad: make([]float32, n), Decay: u.decays[i]}
		at += n
	}
	o, err := optim.New(u.cfg, params, optim.Serial())
	if err != nil {
		t.Fatal(err)
	}
	for _, grad := range grads {
		at := 0
		for _, p := range params {
			at += copy(p.Grad, grad[at:])
		}
		o.Step(rate, optim.ClipScale(optim.GradNorm(params, optim.Serial()), clip))
	}
	state = make([][]float64, 2)
	per := 0
	if s := o.State(); len(s) > 0 {
		per = len(s) / len(params)
		for i, tensor := range s {
			for j := range max(len(tensor.Data), len(tensor.BF16)) {
				v := float64(0)
				if tensor.BF16 != nil {
					v = float64(bfloat16.Float32(tensor.BF16[j]))
				} else {
					v = float64(tensor.Data[j])
				}
				state[i%per] = append(state[i%per], v)
			}
		}
	}
	return widened(values), state
}

func widened(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// scalars are Adam's numbers of update t, from 1.
func (u update) scalars(t int) []float32 {
	beta1, beta2 := u.cfg.Betas[0], u.cfg.Betas[1]
	s := []float32{
		0, 1, float32(1 - beta1), float32(beta2), float32(1 - beta2),
		float32(1 / math.Sqrt(1-math.Pow(beta2, float64(t)))), float32(u.cfg.Eps), float32(rate / (1 - math.Pow(beta1, float64(t)))),
	}
	if u.cfg.Name == optim.NameAdamW {
		s[1] = float32(1 - rate*u.cfg.WeightDecay)
	} else {
		s[0] = float32(u.cfg.WeightDecay)
	}
	return s
}

func (u update) chunks(g *gpu) (kernels.Pointer, int) {
	table := kernels.Chunks(u.sizes, u.decays)
	var data []byte
	for _, x := range table {
		data = binary.LittleEndian.AppendUint64(data, uint64(x))
	}
	return g.bytes(data), len(table) / 3
}

// operands are values and the gradients of each update.
func (u update) operands() (values []float32, grads [updates][]float32) {
	values = normal(1, u.total())
	for i := range grads {
		grads[i] = normal(uint64(2+i), u.total())
	}
	return values, grads
}

var sizesAndDecays = update{sizes: []int{40, 7, kernels.ChunkSize + 300, 1}, decays: []bool{true, false, true, false}}

func TestAdam(t *testing.T) {
	for _, name := range []string{optim.NameAdamW, optim.NameAdam} {
		each(t, name, func(g *gpu, moments engine.DType) {
			u := sizesAndDecays
			u.cfg = optim.Default()
			u.cfg.Name = name
			if moments == engine.BF16 {
				u.cfg.Moments = optim.MomentsBF16
			}
			values, grads := u.operands()
			want, state := u.reference(g.T, values, grads)
			n := u.total()
			value, zero := g.floats(values, engine.F32), filled(n, 0)
			m, v, copied := g.floats(zero, moments), g.floats(zero, moments), g.empty(int64(2*n))
			chunks, count := u.chunks(g)
			norm, scratch := g.empty(8), g.empty(kernels.GradientNormScratch(n))
			var launches []kernels.Launch
			for i, grad := range grads {
				p, s := g.floats(grad, engine.F32), g.floats(u.scalars(i+1), engine.F32)
				launches = append(launches, kernels.GradientNorm(norm, p, scratch, n, clip)...)
				launches = append(launches, kernels.Adam(value, p, m, v, copied, chunks, s, norm, count, moments)...)
			}
			g.run(launches)
			tolerance := 1e-6
			if moments == engine.BF16 {
				tolerance = 1e-3 // a moment may be rounded the other way
			}
			got := g.read(value, n, engine.F32)
			g.agree("values", got, want, 0, engine.F32, tolerance)
			g.agree("m", g.read(m, n, moments), state[0], 0, moments, 1e-6)
			g.agree("v", g.read(v, n, moments), state[1], 0, moments, 1e-6)
			for i, h := range g.read(copied, n, engine.BF16) {
				if h != bfloat16.Float32(bfloat16.Round(got[i])) {
					g.Fatalf("the copy of value %d, %v, is %v", i, got[i], h)
				}
			}
		})
	}
}

func TestSGD(t *testing.T) {
	for _, momentum := range []float64{0, 0.9} {
		t.Run(fmt.Sprint("momentum ", momentum), func(t *testing.T) {
			g, u := newGPU(t), sizesAndDecays
			u.cfg = optim.Default()
			u.cfg.Name, u.cfg.Momentum = optim.NameSGD, momentum
			values, grads := u.operands()
			want, state := u.reference(t, values, grads)
			n := u.total()
			value, copied := g.floats(values, engine.F32), g.empty(int64(2*n))
			var b kernels.Pointer
			if momentum > 0 {
				b = g.floats(filled(n, 0), engine.F32)
			}
			chunks, count := u.chunks(g)
			norm, scratch := g.empty(8), g.empty(kernels.GradientNormScratch(n))
			s := g.floats([]float32{float32(u.cfg.WeightDecay), float32(momentum), rate}, engine.F32)
			var launches []kernels.Launch
			for _, grad := range grads {
				p := g.floats(grad, engine.F32)
				launches = append(launches, kernels.GradientNorm(norm, p, scratch, n, clip)...)
				launches = append(launches, kernels.SGD(value, p, b, copied, chunks, s, norm, count)...)
			}
			g.run(launches)
			g.agree("values", g.read(value, n, engine.F32), want, 0, engine.F32, 1e-6)
			g.agree("copy", g.read(copied, n, engine.BF16), want, 0, engine.BF16, 1e-6)
			if momentum > 0 {
				g.agree("b", g.read(b, n, engine.F32), state[0], 0, engine.F32, 1e-6)
			}
		})
	}
}

// TestUpdateOfNonfiniteGradient expects that nothing changes.
func TestUpdateOfNonfiniteGradient(t *testing.T) {
	for _, bad := range []float64{math.Inf(1), math.NaN()} {
		g, u := newGPU(t), update{sizes: []int{300}, decays: []bool{true}, cfg: optim.Default()}
		values, grads := u.operands()
		grads[0][123] = float32(bad)
		value, grad := g.floats(values, engine.F32), g.floats(grads[0], engine.F32)
		state := filled(300, before)
		m, v, b := g.floats(state, engine.F32), g.floats(state, engine.F32), g.floats(state, engine.F32)
		chunks, count := u.chunks(g)
		norm := g.empty(8)
		s := g.floats(u.scalars(1), engine.F32)
		launches := kernels.GradientNorm(norm, grad, g.empty(kernels.GradientNormScratch(300)), 300, clip)
		launches = append(launches, kernels.Adam(value, grad, m, v, 0, chunks, s, norm, count, engine.F32)...)
		g.run(append(launches, kernels.SGD(value, grad, b, 0, chunks, s, norm, count)...))
		if got := float64(g.read(norm, 2, engine.F32)[0]); !math.IsInf(got, 1) && got == got {
			t.Errorf("norm with %v is %v", bad, got)
		}
		g.agree("values", g.read(value, 300, engine.F32), widened(values), 0, engine.F32, 0)
		for _, p := range []kernels.Pointer{m, v, b} {
			g.agree("state", g.read(p, 300, engine.F32), widened(state), 0, engine.F32, 0)
		}
	}
}

func TestGradientNorm(t *testing.T) {
	for _, n := range []int{1, 1000, 200_000} {
		for _, clip := range []float64{0, 1e-3, 1e6} {
			g := newGPU(t)
			x := normal(1, n)
			norm := g.empty(8)
			g.run(kernels.GradientNorm(norm, g.floats(x, engine.F32), g.empty(kernels.GradientNormScratch(n)), n, float32(clip)))
			want := optim.GradNorm([]optim.Param{{Name: "x", Value: x, Grad: x}}, optim.Serial())
			got := g.read(norm, 2, engine.F32)
			g.agree("norm", got[:1], []float64{want}, 0, engine.F32, 1e-6)
			g.agree("factor", got[1:], []float64{float64(optim.ClipScale(want, float64(float32(clip))))}, 0, engine.F32, 1e-6)
		}
	}
}

func TestChunks(t *testing.T) {
	got := kernels.Chunks([]int{kernels.ChunkSize + 5, 3}, []bool{true, false})
	want := []int64{0, kernels.ChunkSize, 1, kernels.ChunkSize, kernels.ChunkSize + 5, 1, kernels.ChunkSize + 5, kernels.ChunkSize + 8, 0}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
