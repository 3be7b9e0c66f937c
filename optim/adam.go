package optim

import "math"

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

func newAdam[M moment](c Config, params []Param, par Parallel, kernel func(p, g []float32, m, v []M, s *adamScalars)) *adam[M] {
	o := &adam[M]{
		cfg:    c,
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
	if o.cfg.Name == NameAdamW {
		o.decays.keep = float32(1 - lr*o.cfg.WeightDecay)
	} else {
		o.decays.l2 = float32(o.cfg.WeightDecay)
	}
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
		state = append(state, view("exp_avg.", p, o.m[i]), view("exp_avg_sq.", p, o.v[i]))
	}
	return state
}

func (o *adam[M]) Steps() int         { return o.steps }
func (o *adam[M]) SetSteps(steps int) { o.steps = steps }
