package export

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"mobilellm/engine"
)

// Logits runs the model on one sequence of token ids and returns the logits of
// every position, [T,V] row-major.
func (m *Model) Logits(dev engine.Device, ids []int32) (_ []float32, err error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if id < 0 || int(id) >= m.Config.VocabSize {
			return nil, fmt.Errorf("token %d is not in the vocabulary of %d", id, m.Config.VocabSize)
		}
	}
	graph, err := m.Config.BuildLogits(1, len(ids))
	if err != nil {
		return nil, err
	}
	var params []engine.Parameter
	for _, p := range m.Config.Parameters() {
		params = append(params, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	weights, err := engine.NewWeights(dev, params, engine.WeightOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, weights.Close()) }()
	for _, p := range params {
		copy(weights.Value(p.Name).Float32s(), m.Weights[p.Name])
	}
	weights.Changed()
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{graph.Logits}, Weights: weights}, dev, engine.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, vm.Close()) }()
	copy(vm.Input(graph.Tokens).Ids(), ids)
	if err := vm.RunAll(); err != nil {
		return nil, err
	}
	return append([]float32(nil), vm.Output(graph.Logits).Float32s()...), nil
}
