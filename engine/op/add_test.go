package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func init() { example(AddOp{exampleScope}) }

func TestAddGradient(t *testing.T) {
	r := random(12)
	a, b := normal(r, "a", 1, 5, 3), normal(r, "b", 1, 5, 3)
	for _, c := range []struct {
		name string
		function
	}{
		{"two values", function{
			args:  []argument{a, b},
			build: binary(func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return Add("0.attn_add", a, b) }),
		}},
		{"one value twice", function{
			args:  []argument{a},
			build: unary(func(a *gorgonia.Node) (*gorgonia.Node, error) { return Add("0.attn_add", a, a) }),
		}},
		// As in the residual stream: a value and what was made of it.
		{"residual", function{
			args: []argument{a},
			build: unary(func(a *gorgonia.Node) (*gorgonia.Node, error) {
				y, err := ReLU("0.ffn", a)
				if err != nil {
					return nil, err
				}
				return Add("0.ffn_add", a, y)
			}),
		}},
	} {
		t.Run(c.name, func(t *testing.T) { checkGradients(t, c.function) })
	}
}

func TestIsAdd(t *testing.T) {
	g := gorgonia.NewGraph()
	a := gorgonia.NewMatrix(g, gorgonia.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("a"))
	b := gorgonia.NewMatrix(g, gorgonia.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("b"))
	for _, c := range []struct {
		name  string
		build func() (*gorgonia.Node, error)
		want  bool
	}{
		{"ours", func() (*gorgonia.Node, error) { return Add("0.add", a, b) }, true},
		{"gorgonia's", func() (*gorgonia.Node, error) { return gorgonia.Add(a, b) }, true},
		{"gorgonia's sum of gradients", func() (*gorgonia.Node, error) { return gorgonia.ReduceAdd(gorgonia.Nodes{a, b}) }, true},
		{"a difference", func() (*gorgonia.Node, error) { return gorgonia.Sub(a, b) }, false},
		{"a product", func() (*gorgonia.Node, error) { return gorgonia.HadamardProd(a, b) }, false},
		{"a comparison", func() (*gorgonia.Node, error) { return gorgonia.Gt(a, b, true) }, false},
		{"another operation", func() (*gorgonia.Node, error) { return ReLU("0.relu", a) }, false},
		{"an input", func() (*gorgonia.Node, error) { return a, nil }, false},
	} {
		n, err := c.build()
		if err != nil {
			t.Fatal(err)
		}
		if got := IsAdd(n); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
