package optim

import (
	"fmt"
)

// Param is a weight of the model as an optimizer sees it.
type Param struct {
	Name  string // Hugging Face's, e.g. model.layers.0.self_attn.q_proj.weight
	Decay bool   // whether weight decay applies: true for all weights but norms, see Config.DecayEmbeddings
	// Hidden is the shape [out, in] of a hidden layer's matrix, zero for all else:
	// embeddings, the head, norms.
	Hidden [2]int
	// Value is updated in place, Grad is only read. Both have one float32 for
	// each element of the weight, row-major; the optimizer keeps the slices.
	Value, Grad []float32
}

// StateTensor is a view of one tensor of an optimizer's state, in Data or in
// BF16, whichever it is kept in. Writing to it restores it.
type StateTensor struct {
	Name  string    // e.g. exp_avg.model.norm.weight
	Param string    // the parameter it belongs to, whose shape it has
	Data  []float32 // as long as the parameter's Value, or nil
	BF16  []uint16  // bf16, the upper halves of float32; likewise, or nil
}

// Optimizer updates parameters from their gradients.
type Optimizer interface {
	// Step applies one update with learning rate lr. Each gradient is
	// multiplied by gradScale first, which carries both the clipping (see
	// [ClipScale]) and any mean over micro-batches. It allocates nothing.
	Step(lr float64, gradScale float32)

	// State returns views of the moments, for saving and restoring them: for
	// Adam exp_avg.NAME then exp_avg_sq.NAME of each parameter, for SGD
	// momentum_buffer.NAME (none without momentum), for Muon either. The order is
	// that of the parameters.
	State() []StateTensor

	// Steps is the number of updates so far, which Adam's bias correction
	// needs; SetSteps restores it.
	Steps() int
	SetSteps(steps int)
}

// New builds the optimizer that c names over params, whose moments start at
// zero. par runs the updates; [Serial] will do. Errors name the field or the
// parameter.
func New(c Config, params []Param, par Parallel) (Optimizer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	k, err := c.kind()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(params))
	for i, p := range params {
		switch {
		case p.Name == "":
			return nil, fmt.Errorf("optim: parameter %d has no name", i)
		case seen[p.Name]:
			return nil, fmt.Errorf("optim: parameter %s is given twice", p.Name)
		case len(p.Value) != len(p.Grad):
			return nil, fmt.Errorf("optim: parameter %s has %d values and %d gradients", p.Name, len(p.Value), len(p.Grad))
		case p.Hidden != [2]int{} && (min(p.Hidden[0], p.Hidden[1]) < 1 || p.Hidden[0]*p.Hidden[1] != len(p.Value)):
			return nil, fmt.Errorf("optim: parameter %s of shape %v has %d values", p.Name, p.Hidden, len(p.Value))
		}
		seen[p.Name] = true
	}
	return k.build(c, params, par)
}
