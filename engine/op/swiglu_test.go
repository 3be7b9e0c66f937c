package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func init() { example(SwiGLUOp{exampleScope}, SwiGLUGradOp{exampleScope}) }

func TestSwiGLUGradient(t *testing.T) {
	for _, c := range []struct {
		name  string
		n, f  int
		scale float64
	}{
		{"odd", 5, 7, 1},
		{"one column", 3, 1, 1},
		{"wide range", 4, 5, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkGradients(t, function{
				args:  []argument{normal(random(10), "x", c.scale, c.n, 2*c.f)},
				build: unary(func(x *gorgonia.Node) (*gorgonia.Node, error) { return SwiGLU("0.ffn", x) }),
			})
		})
	}
}

// A gate beyond exp's range is closed or fully open.
func TestSwiGLUSaturated(t *testing.T) {
	x := argument{name: "x", shape: tensor.Shape{1, 4}, data: []float64{-2000, 2000, 3, 3}}
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		r := evaluateTape(t, function{
			args:     []argument{x},
			build:    unary(func(x *gorgonia.Node) (*gorgonia.Node, error) { return SwiGLU("0.ffn", x) }),
			upstream: []float64{1, 1},
		}, dtype)
		for i, want := range []float64{0, 6000} {
			if r.out[i] != want {
				t.Errorf("%v: out[%d] is %v, want %v", dtype, i, r.out[i], want)
			}
		}
		for i, want := range []float64{0, 3, 0, 2000} {
			if got := r.grads["x"][i]; math.Abs(got-want) > 1e-9 {
				t.Errorf("%v: gradient[%d] is %v, want %v", dtype, i, got, want)
			}
		}
	}
}
