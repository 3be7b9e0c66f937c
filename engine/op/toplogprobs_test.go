package op

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func init() { example(TopLogProbsOp{exampleScope, 5}) }

func TestTopLogProbs(t *testing.T) {
	// Logits of token 0: 1 2 2 0 −3; of token 1: twice as large.
	x := argument{name: "x", shape: tensor.Shape{2, 1}, data: []float64{1, 2}, fixed: true}
	w := argument{name: "w", shape: tensor.Shape{5, 1}, data: []float64{1, 2, 2, 0, -3}, fixed: true}
	lse := func(scale float64) float64 {
		var sum float64
		for _, z := range w.data {
			sum += math.Exp(scale * z)
		}
		return math.Log(sum)
	}
	want := [2][]float64{
		{2 - lse(1), 2 - lse(1), 1 - lse(1), 4 - lse(2), 4 - lse(2), 2 - lse(2)},
		{1, 2, 0, 1, 2, 0},
	}
	for part := range want {
		f := function{args: []argument{x, w}, build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			logp, ids, err := TopLogProbs("head", in[0], in[1], 3)
			return []*gorgonia.Node{logp, ids}[part], err
		}}
		m, err := record(f, tensor.Float64, false)
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.run(f.args)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(r.out, want[part], func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
			t.Errorf("part %d is %v, want %v", part, r.out, want[part])
		}
		if err := m.vm.Close(); err != nil {
			t.Error(err)
		}
	}
	f := function{args: []argument{x, w}, build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		logp, _, err := TopLogProbs("head", in[0], in[1], 6)
		return logp, err
	}}
	if _, err := record(f, tensor.Float64, false); err == nil || !strings.Contains(err.Error(), "toplogprobs head") || !strings.Contains(err.Error(), "k 6") {
		t.Error(err)
	}
}
