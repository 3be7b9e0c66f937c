package optim

import (
	"fmt"

	"mobilellm/internal/choices"
)

// kind is everything that the name of an optimizer decides.
type kind struct {
	name string
	// bf16 says that its moments may be in bf16.
	bf16 bool
	// moments are the names of what it keeps of a parameter, a hidden layer's matrix
	// or another, in the order of [Optimizer.State].
	moments func(c Config, hidden bool) []string
	// scratch is the number of floats that a worker needs to update a hidden layer's
	// matrix; nil for none.
	scratch func(rows, cols int) int64
	build   func(c Config, params []Param, par Parallel) (Optimizer, error)
}

// kinds are the optimizers in the order in which errors list them.
var kinds = []kind{adamW, coupledAdam, momentumSGD, matrixMuon}

// Names are the optimizers that Config.Name may hold.
func Names() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// kind finds the optimizer that c names.
func (c Config) kind() (kind, error) {
	for _, k := range kinds {
		if k.name == c.Name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("optim.name (%q) must be %s", c.Name, choices.Of(Names()))
}

// MomentNames are the names of the tensors that the optimizer keeps of a parameter,
// a hidden layer's matrix ([Param].Hidden) or another, such as exp_avg: a
// [StateTensor] is named exp_avg.NAME.
func (c Config) MomentNames(hidden bool) ([]string, error) {
	k, err := c.kind()
	if err != nil {
		return nil, err
	}
	return k.moments(c, hidden), nil
}

// StateShape is a tensor of an optimizer's state that is not at hand, see [StateTensor].
type StateShape struct {
	Name, Param string
	Len         int
	BF16        bool
}

// StateShapes are those of the state of an optimizer over params, in the order of its State.
func (c Config) StateShapes(params []Param) ([]StateShape, error) {
	var list []StateShape
	for _, p := range params {
		names, err := c.MomentNames(p.Hidden != [2]int{})
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			list = append(list, StateShape{name + "." + p.Name, p.Name, len(p.Value), c.Moments == MomentsBF16})
		}
	}
	return list, nil
}

// ScratchBytes is what each worker needs to update a hidden layer's matrix of that
// shape, the largest one.
func (c Config) ScratchBytes(rows, cols int) (int64, error) {
	k, err := c.kind()
	if err != nil || k.scratch == nil {
		return 0, err
	}
	return 4 * k.scratch(rows, cols), nil
}

// StateBytes is the size of what the optimizer keeps for each weight of a hidden
// layer's matrix, or of another parameter.
func (c Config) StateBytes(hidden bool) (int64, error) {
	names, err := c.MomentNames(hidden)
	if err != nil {
		return 0, err
	}
	size, err := c.momentBytes()
	return size * int64(len(names)), err
}
