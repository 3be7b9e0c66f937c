package optim

import (
	"fmt"
	"math"
	"slices"

	"mobilellm/internal/choices"
)

// NameMuon is Muon for the matrices of the hidden layers and AdamW for the rest.
const NameMuon = "muon"

// Muon is the section `optim.muon:`, what the matrices of hidden layers have of
// their own where the optimizer is Muon.
type Muon struct {
	LR       float64 `yaml:"lr" help:"peak learning rate of the matrices, which follows optim.schedule too; 0 takes optim.lr"`
	Momentum float64 `yaml:"momentum" help:"decay rate of the mean of their gradients"`
	Nesterov bool    `yaml:"nesterov" help:"take Nesterov's momentum, the mean with the gradient once more"`
	AdjustLR string  `yaml:"adjust_lr_fn" help:"what the rate of a matrix is multiplied by: match_rms_adamw (0.2 times the root of its longer side, for rates that suit AdamW), original (the root of rows by columns, at least 1) or spectral_unclamped (the same without the least)"`
}

func defaultMuon() Muon {
	return Muon{Momentum: 0.95, Nesterov: true, AdjustLR: "match_rms_adamw"}
}

// adjustments are the factors of a matrix's rate by the names of torch.optim.Muon.
var adjustments = []struct {
	name   string
	factor func(rows, cols float64) float64
}{
	{"match_rms_adamw", func(rows, cols float64) float64 { return 0.2 * math.Sqrt(max(rows, cols)) }},
	{"original", func(rows, cols float64) float64 { return math.Sqrt(max(1, rows/cols)) }},
	{"spectral_unclamped", func(rows, cols float64) float64 { return math.Sqrt(rows / cols) }},
}

// adjustment is the factor for a matrix of that shape.
func (m Muon) adjustment(rows, cols int) (float64, error) {
	var names []string
	for _, a := range adjustments {
		if a.name == m.AdjustLR {
			return a.factor(float64(rows), float64(cols)), nil
		}
		names = append(names, a.name)
	}
	return 0, fmt.Errorf("optim.muon.adjust_lr_fn (%q) must be %s", m.AdjustLR, choices.Of(names))
}

func (m Muon) validate() error {
	switch {
	case !(m.LR >= 0) || math.IsInf(m.LR, 0):
		return fmt.Errorf("optim.muon.lr (%v) must not be negative (0 takes optim.lr)", m.LR)
	case !(m.Momentum >= 0 && m.Momentum < 1):
		return fmt.Errorf("optim.muon.momentum (%v) must be at least 0 and less than 1", m.Momentum)
	}
	_, err := m.adjustment(1, 1)
	return err
}

var matrixMuon = kind{
	name: NameMuon,
	moments: func(c Config, hidden bool) []string {
		if hidden {
			return []string{momentumBuffer}
		}
		return adamMoments(c, hidden)
	},
	scratch: newtonSchulzFloats,
	build:   func(c Config, params []Param, par Parallel) (Optimizer, error) { return newMuon(c, params, par) },
}

// muon is Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon) for the
// matrices of hidden layers and AdamW for all else, as torch.optim's. With g the
// scaled gradient of a matrix [A,B], λ the weight decay and f what adjust_lr_fn
// names:
//
//	b ← b + (1−μ)·(g − b)
//	u ← g + μ·(b − g)          (Nesterov; else b)
//	p ← p·(1 − lr·λ) − lr·f(A,B)·orthogonal(u)
//
// Newton-Schulz iterations make u orthogonal, see [newtonSchulz]. torch makes them
// in bf16, here they are in float32. One worker updates a whole matrix, so the
// result does not depend on their number.
type muon struct {
	cfg    Config
	par    Parallel
	params []Param
	rest   *adam[float32] // of the parameters that are no matrix of a hidden layer

	matrices []muonMatrix // the largest first, so that workers end together
	byParam  [][]float32  // the momentum buffer of each parameter, nil for the rest
	spaces   []muonSpace  // of each worker
	run      func(worker, i int)

	lr        float64 // of this step
	gradScale float32
}

// muonMatrix is a matrix with what it needs.
type muonMatrix struct {
	Param
	buffer     []float32
	adjustment float64
	*newtonSchulz
}

// muonSpace is memory for a matrix of the largest shape, its next iterate, and its
// Gram matrix with a polynomial of it.
type muonSpace struct{ x, next, gram, poly []float32 }

func newMuon(c Config, params []Param, par Parallel) (*muon, error) {
	o := &muon{cfg: c, par: par, params: params, byParam: make([][]float32, len(params))}
	shapes := map[[2]int]*newtonSchulz{}
	var rest []Param
	var longest, square int
	for i, p := range params {
		if p.Hidden == ([2]int{}) {
			rest = append(rest, p)
			continue
		}
		rows, cols := p.Hidden[0], p.Hidden[1]
		ns := shapes[p.Hidden]
		if ns == nil {
			var err error
			if ns, err = newNewtonSchulz(par, rows, cols); err != nil {
				return nil, fmt.Errorf("optim: parameter %s: %w", p.Name, err)
			}
			shapes[p.Hidden] = ns
		}
		adjustment, err := c.Muon.adjustment(rows, cols)
		if err != nil {
			return nil, err
		}
		o.byParam[i] = make([]float32, len(p.Value))
		o.matrices = append(o.matrices, muonMatrix{p, o.byParam[i], adjustment, ns})
		longest, square = max(longest, rows*cols), max(square, ns.side*ns.side)
	}
	slices.SortStableFunc(o.matrices, func(a, b muonMatrix) int { return b.side*b.side*b.length - a.side*a.side*a.length })
	if len(o.matrices) > 0 {
		o.spaces = make([]muonSpace, par.Workers())
	}
	for i := range o.spaces {
		o.spaces[i] = muonSpace{make([]float32, longest), make([]float32, longest), make([]float32, square), make([]float32, square)}
	}
	o.rest = newAdamOf(c, rest, par, decoupled, adamUpdate)
	o.run = o.update
	return o, nil
}

func (o *muon) Step(lr float64, gradScale float32) {
	o.rest.Step(lr, gradScale)
	if o.cfg.Muon.LR != 0 {
		lr *= o.cfg.Muon.LR / o.cfg.LR // the schedule is that of optim.lr
	}
	o.lr, o.gradScale = lr, gradScale
	o.par.For(len(o.matrices), o.run)
}

func (o *muon) update(worker, i int) {
	m, space := &o.matrices[i], &o.spaces[worker]
	x := space.x[:len(m.Value)]
	mu, rate := float32(o.cfg.Muon.Momentum), float32(1-o.cfg.Muon.Momentum)
	if !o.cfg.Muon.Nesterov {
		mu = 1
	}
	for j, g := range m.Grad {
		g *= o.gradScale
		b := m.buffer[j] + float32(rate*(g-m.buffer[j]))
		m.buffer[j] = b
		x[j] = b - float32((1-mu)*(b-g)) // g + μ·(b−g), exact for μ of 1
	}
	x = m.orthogonalise(worker, x, space)
	keep, step := float32(1), float32(o.lr*m.adjustment)
	if m.Decay {
		keep = float32(1 - o.lr*o.cfg.WeightDecay)
	}
	for j, v := range m.Value {
		m.Value[j] = float32(v*keep) - float32(step*x[j])
	}
}

func (o *muon) State() []StateTensor {
	var state []StateTensor
	rest := o.rest.State()
	for i, b := range o.byParam {
		if b == nil {
			state, rest = append(state, rest[:2]...), rest[2:]
			continue
		}
		state = append(state, view(momentumBuffer, &o.params[i], b))
	}
	return state
}

func (o *muon) Steps() int         { return o.rest.Steps() }
func (o *muon) SetSteps(steps int) { o.rest.SetSteps(steps) }
