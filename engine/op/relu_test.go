package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
)

func init() { example(ReLUOp{exampleScope}, ReLUGradOp{exampleScope}) }

func TestReLUGradient(t *testing.T) {
	for _, shape := range [][]int{{5, 7}, {1, 3}, {4, 1}} {
		x := normal(random(11), "x", 1, shape...)
		for i, e := range x.data {
			// Finite differences are wrong across the kink.
			if math.Abs(e) < 0.01 {
				x.data[i] = 0.25
			}
		}
		checkGradients(t, function{
			args:  []argument{x},
			build: unary(func(x *gorgonia.Node) (*gorgonia.Node, error) { return ReLU("0.ffn", x) }),
		})
	}
}
