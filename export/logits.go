package export

import (
	"errors"

	"gorgonia.org/gorgonia"

	"mobilellm/engine"
)

// Logits runs the model on one sequence of token ids and returns the logits of
// every position, [T,V] row-major.
func (m *Model) Logits(dev engine.Device, ids []int32) (_ []float32, err error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, errors.New("there are no tokens")
	}
	if err := engine.CheckIDs(ids, m.Config.VocabSize); err != nil {
		return nil, err
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
		if err := engine.Write(weights.Value(p.Name), m.Weights[p.Name]); err != nil {
			return nil, err
		}
	}
	weights.Changed()
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{graph.Logits}, Weights: weights}, dev, engine.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, vm.Close()) }()
	if err := engine.Write(vm.Input(graph.Tokens), ids); err != nil {
		return nil, err
	}
	if err := vm.RunAll(); err != nil {
		return nil, err
	}
	logits := make([]float32, len(ids)*m.Config.VocabSize)
	return logits, engine.Read(vm.Output(graph.Logits), logits)
}
