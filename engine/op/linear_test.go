package op

import (
	"fmt"
	"testing"

	"gorgonia.org/gorgonia"
)

func init() {
	example(LinearOp{exampleScope, 3}, LinearGradInputOp{exampleScope, 3}, LinearGradWeightOp{exampleScope, []int{4, 2, 2}})
}

func TestLinearGradient(t *testing.T) {
	for _, c := range []struct {
		name string
		n, c int
		rows []int
	}{
		{"one weight", 5, 7, []int{3}},
		{"one element", 1, 1, []int{1}},
		{"q k v", 6, 5, []int{4, 2, 2}},
		{"three sizes", 3, 4, []int{1, 5, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := random(2)
			args := []argument{normal(r, "x", 1, c.n, c.c)}
			for i, o := range c.rows {
				args = append(args, normal(r, fmt.Sprintf("w%d", i), 1, o, c.c))
			}
			checkGradients(t, function{args: args, build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
				return Linear("0.attn", in[0], in[1:]...)
			}})
		})
	}
}

// A weight that one matmul takes twice gets the sum of both gradients.
func TestLinearSameWeightTwice(t *testing.T) {
	r := random(3)
	checkGradients(t, function{
		args: []argument{normal(r, "x", 1, 3, 4), normal(r, "w", 1, 2, 4)},
		build: binary(func(x, w *gorgonia.Node) (*gorgonia.Node, error) {
			return Linear("0.attn", x, w, w)
		}),
	})
}
