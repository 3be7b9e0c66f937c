package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func init() { example(RMSNormOp{exampleScope, 1e-5}, RMSNormGradOp{exampleScope}) }

func TestRMSNormGradient(t *testing.T) {
	for _, c := range []struct {
		name  string
		n, c  int
		scale float64
		eps   float64
	}{
		{"odd", 5, 7, 1, 1e-5},
		{"one row", 1, 6, 3, 1e-6},
		{"one column", 4, 1, 1, 0.1},
		// Where ε outweighs the mean square, the row is hardly normalised.
		{"large eps", 3, 5, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := random(4)
			checkGradients(t, function{
				args: []argument{normal(r, "x", c.scale, c.n, c.c), normal(r, "w", 1, c.c)},
				build: binary(func(x, w *gorgonia.Node) (*gorgonia.Node, error) {
					return RMSNorm("0.attn_norm", x, w, c.eps)
				}),
			})
		})
	}
}
