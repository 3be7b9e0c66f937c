package optim

// momentumSGD keeps a buffer of each parameter where it has momentum.
var momentumSGD = kind{
	name: NameSGD,
	moments: func(c Config, _ bool) []string {
		if c.Momentum == 0 {
			return nil
		}
		return []string{momentumBuffer}
	},
	build: func(c Config, params []Param, par Parallel) (Optimizer, error) { return newSGD(c, params, par), nil },
}

// momentumBuffer is torch's name for it.
const momentumBuffer = "momentum_buffer"

// sgd is stochastic gradient descent with momentum μ and L2 decay λ, as
// torch.optim.SGD without dampening:
//
//	g ← g + λ·p
//	b ← μ·b + g
//	p ← p − lr·b
type sgd struct {
	cfg    Config
	par    Parallel
	params []Param
	b      [][]float32 // momentum buffers; nil without momentum
	chunks []chunk
	run    func(worker, i int) // o.update, bound once: binding it allocates

	steps        int
	decays, rest sgdScalars // this step's numbers for params with Decay and without
}

// sgdScalars are the numbers of one update.
type sgdScalars struct {
	gradScale, l2, momentum, lr float32
}

func newSGD(c Config, params []Param, par Parallel) *sgd {
	o := &sgd{cfg: c, par: par, params: params, chunks: appendChunks(nil, params)}
	if c.Momentum != 0 {
		o.b = moments[float32](params)
	}
	o.run = o.update
	return o
}

func (o *sgd) Step(lr float64, gradScale float32) {
	o.steps++
	o.rest = sgdScalars{gradScale: gradScale, momentum: float32(o.cfg.Momentum), lr: float32(lr)}
	o.decays = o.rest
	o.decays.l2 = float32(o.cfg.WeightDecay)
	o.par.For(len(o.chunks), o.run)
}

func (o *sgd) update(_, i int) {
	c := o.chunks[i]
	p := &o.params[c.param]
	s := &o.rest
	if p.Decay {
		s = &o.decays
	}
	value, grad := p.Value[c.lo:c.hi], p.Grad[c.lo:c.hi]
	if o.b == nil {
		sgdUpdate(value, grad, s)
		return
	}
	momentumUpdate(value, grad, o.b[c.param][c.lo:c.hi], s)
}

func (o *sgd) State() []StateTensor {
	state := make([]StateTensor, 0, len(o.b))
	for i, b := range o.b {
		state = append(state, view(momentumBuffer, &o.params[i], b))
	}
	return state
}

func (o *sgd) Steps() int         { return o.steps }
func (o *sgd) SetSteps(steps int) { o.steps = steps }
