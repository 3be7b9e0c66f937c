package optim

import (
	"fmt"
	"math"
)

// adamW and coupledAdam differ in their weight decay.
var (
	adamW = kind{name: NameAdamW, bf16: true, moments: adamMoments, build: func(c Config, params []Param, par Parallel) (Optimizer, error) {
		return newAdam(c, params, par, decoupled)
	}}
	coupledAdam = kind{name: NameAdam, bf16: true, moments: adamMoments, build: func(c Config, params []Param, par Parallel) (Optimizer, error) {
		return newAdam(c, params, par, coupled)
	}}
)

// The names of Adam's first and second moment, as torch has them.
const (
	firstMoment  = "exp_avg"
	secondMoment = "exp_avg_sq"
)

func adamMoments(Config, bool) []string { return []string{firstMoment, secondMoment} }

// decay puts the weight decay into the numbers of an update.
type decay func(s *adamScalars, lr, weightDecay float64)

// decoupled is AdamW's: it shrinks the weight.
func decoupled(s *adamScalars, lr, weightDecay float64) { s.keep = float32(1 - lr*weightDecay) }

// coupled is Adam's: it is added to the gradient.
func coupled(s *adamScalars, _, weightDecay float64) { s.l2 = float32(weightDecay) }

// adam is Adam (Kingma and Ba, 2015) with weight decay either decoupled
// (AdamW: Loshchilov and Hutter, 2019) or added to the gradient (L2).
//
// With g the scaled gradient, t the number of the update, λ the weight decay:
//
//	L2:     g ← g + λ·p
//	AdamW:  p ← p·(1 − lr·λ)
//	m ← m + (1−β₁)·(g − m)
//	v ← β₂·v + (1−β₂)·g²
//	p ← p − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)
//
// Moments of type M are rounded to it once p has been updated.
type adam[M moment] struct {
	cfg    Config
	decay  decay
	par    Parallel
	params []Param
	m, v   [][]M // first and second moment of each parameter
	chunks []chunk
	kernel func(p, g []float32, m, v []M, s *adamScalars)
	run    func(worker, i int) // o.update, bound once: binding it allocates

	steps        int
	decays, rest adamScalars // this step's numbers for params with Decay and without
}

// adamScalars are the numbers of one update, worked out in float64.
type adamScalars struct {
	gradScale float32
	l2        float32 // coupled decay
	keep      float32 // 1 − lr·λ of decoupled decay
	beta1c    float32 // 1−β₁
	beta2     float32
	beta2c    float32 // 1−β₂
	rootScale float32 // 1/√(1−β₂ᵗ)
	eps       float32
	stepSize  float32 // lr/(1−β₁ᵗ)
}

// newAdam keeps moments in the type that c names.
func newAdam(c Config, params []Param, par Parallel, d decay) (Optimizer, error) {
	switch c.Moments {
	case MomentsFloat32:
		return newAdamOf(c, params, par, d, adamUpdate), nil
	case MomentsBF16:
		return newAdamOf(c, params, par, d, adamUpdateBF16), nil
	}
	return nil, fmt.Errorf("optim: no kernel of adam keeps moments in %q", c.Moments)
}

func newAdamOf[M moment](c Config, params []Param, par Parallel, d decay, kernel func(p, g []float32, m, v []M, s *adamScalars)) *adam[M] {
	o := &adam[M]{
		cfg:    c,
		decay:  d,
		par:    par,
		params: params,
		m:      moments[M](params),
		v:      moments[M](params),
		kernel: kernel,
		chunks: appendChunks(nil, params),
	}
	o.run = o.update
	return o
}

func (o *adam[M]) Step(lr float64, gradScale float32) {
	o.steps++
	beta1, beta2 := o.cfg.Betas[0], o.cfg.Betas[1]
	t := float64(o.steps)
	o.rest = adamScalars{
		gradScale: gradScale,
		keep:      1,
		beta1c:    float32(1 - beta1),
		beta2:     float32(beta2),
		beta2c:    float32(1 - beta2),
		rootScale: float32(1 / math.Sqrt(1-math.Pow(beta2, t))),
		eps:       float32(o.cfg.Eps),
		stepSize:  float32(lr / (1 - math.Pow(beta1, t))),
	}
	o.decays = o.rest
	o.decay(&o.decays, lr, o.cfg.WeightDecay)
	o.par.For(len(o.chunks), o.run)
}

func (o *adam[M]) update(_, i int) {
	c := o.chunks[i]
	p := &o.params[c.param]
	s := &o.rest
	if p.Decay {
		s = &o.decays
	}
	o.kernel(p.Value[c.lo:c.hi], p.Grad[c.lo:c.hi], o.m[c.param][c.lo:c.hi], o.v[c.param][c.lo:c.hi], s)
}

func (o *adam[M]) State() []StateTensor {
	state := make([]StateTensor, 0, 2*len(o.params))
	for i := range o.params {
		p := &o.params[i]
		state = append(state, view(firstMoment, p, o.m[i]), view(secondMoment, p, o.v[i]))
	}
	return state
}

func (o *adam[M]) Steps() int         { return o.steps }
func (o *adam[M]) SetSteps(steps int) { o.steps = steps }
