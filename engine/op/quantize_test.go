package op

import (
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/quant"
)

func init() {
	r := quant.Rule{Method: quant.LSQ, Bits: 4, Scheme: quant.Symmetric}
	example(QuantizeOp{exampleScope, r}, QuantizeGradOp{exampleScope, r}, LearnedQuantizeOp{exampleScope, r}, LearnedQuantizeGradOp{exampleScope, r})
}

// A rule that learns a number of each row needs one, and no other does.
func TestQuantizeErrors(t *testing.T) {
	g := gorgonia.NewGraph()
	w := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(3, 4), gorgonia.WithName("w"))
	alpha := func(n int) *gorgonia.Node {
		return gorgonia.NewVector(g, tensor.Float32, gorgonia.WithShape(n), gorgonia.WithName("alpha"))
	}
	for _, test := range []struct {
		want string
		make func() (*gorgonia.Node, error)
	}{
		{"quantize 0.a: lsq learns a number of each row", func() (*gorgonia.Node, error) { return Quantize("0.a", w, quant.Rule{Method: quant.LSQ, Bits: 4}) }},
		{"learned quantize 0.a: minmax learns nothing", func() (*gorgonia.Node, error) {
			return LearnedQuantize("0.a", w, alpha(3), quant.Rule{Method: quant.MinMax, Bits: 4})
		}},
		{"the weight is (3, 4), its numbers (4)", func() (*gorgonia.Node, error) {
			return LearnedQuantize("0.a", w, alpha(4), quant.Rule{Method: quant.SEQ, Bits: 2})
		}},
	} {
		if _, err := test.make(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
