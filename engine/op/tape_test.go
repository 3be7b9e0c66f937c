package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

// argument is an input of a function under test: floats, or ids.
type argument struct {
	name  string
	shape tensor.Shape // of length 0 for a scalar
	data  []float64    // held in float32 exactly, so that both precisions see one input
	ids   []int32
	fixed bool // not differentiated
}

// function is a small graph of this package's operations.
type function struct {
	args     []argument
	build    func(in gorgonia.Nodes) (*gorgonia.Node, error)
	upstream []float64 // the loss is Σ output∘upstream; a scalar output is the loss
}

// result is a function's value with the gradients of the loss by argument.
type result struct {
	out   []float64
	loss  float64
	grads map[string][]float64
}

// normal is an argument of random numbers.
func normal(r *rand.Rand, name string, scale float64, shape ...int) argument {
	a := argument{name: name, shape: shape, data: make([]float64, tensor.Shape(shape).TotalSize())}
	for i := range a.data {
		a.data[i] = float64(float32(scale * r.NormFloat64()))
	}
	return a
}

func tokens(name string, ids ...int32) argument {
	return argument{name: name, shape: tensor.Shape{len(ids)}, ids: ids}
}

func constant(name string, x float64) argument {
	return argument{name: name, data: []float64{x}, fixed: true}
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// tape is a function's graph on gorgonia's TapeMachine, which runs the
// operations' Do.
type tape struct {
	function
	dtype tensor.Dtype
	nodes gorgonia.Nodes
	out   *gorgonia.Node
	loss  *gorgonia.Node
	vm    gorgonia.VM
	outV  gorgonia.Value
	lossV gorgonia.Value
	gradV map[*gorgonia.Node]*gorgonia.Value
	grads gorgonia.Nodes // of each argument that is differentiated
}

// record builds the graph, with gradients if asked.
func record(f function, dtype tensor.Dtype, differentiate bool) (*tape, error) {
	t := &tape{function: f, dtype: dtype, gradV: map[*gorgonia.Node]*gorgonia.Value{}}
	g := gorgonia.NewGraph()
	for _, a := range f.args {
		t.nodes = append(t.nodes, a.node(g, dtype))
	}
	var err error
	if t.out, err = f.build(t.nodes); err != nil {
		return nil, err
	}
	t.loss = t.out
	if !t.out.IsScalar() {
		w := argument{name: "upstream", shape: t.out.Shape(), data: f.upstream}
		if w.data == nil {
			w = normal(random(99), "upstream", 1, t.out.Shape()...)
		}
		weighted, err := gorgonia.HadamardProd(t.out, w.node(g, dtype))
		if err != nil {
			return nil, err
		}
		if t.loss, err = gorgonia.Sum(weighted); err != nil {
			return nil, err
		}
		gorgonia.Read(t.out, &t.outV)
	}
	if differentiate {
		var wrt gorgonia.Nodes
		for i, a := range f.args {
			if a.data != nil && !a.fixed {
				wrt = append(wrt, t.nodes[i])
			}
		}
		if t.grads, err = gorgonia.Grad(t.loss, wrt...); err != nil {
			return nil, err
		}
		// Arguments may have one gradient in common; gorgonia would merge two
		// readings of it.
		for _, n := range t.grads {
			if t.gradV[n] == nil {
				t.gradV[n] = new(gorgonia.Value)
				gorgonia.Read(n, t.gradV[n])
			}
		}
	}
	gorgonia.Read(t.loss, &t.lossV)
	t.vm = gorgonia.NewTapeMachine(g)
	return t, nil
}

func (a argument) node(g *gorgonia.ExprGraph, dtype tensor.Dtype) *gorgonia.Node {
	opts := []gorgonia.NodeConsOpt{gorgonia.WithName(a.name), gorgonia.WithValue(a.value(dtype))}
	switch {
	case a.ids != nil:
		return gorgonia.NewVector(g, tensor.Int32, append(opts, gorgonia.WithShape(a.shape...))...)
	case len(a.shape) == 0:
		return gorgonia.NewScalar(g, dtype, opts...)
	}
	return gorgonia.NewTensor(g, dtype, len(a.shape), append(opts, gorgonia.WithShape(a.shape...))...)
}

func (a argument) value(dtype tensor.Dtype) gorgonia.Value {
	switch {
	case a.ids != nil:
		return tensor.New(tensor.WithShape(a.shape...), tensor.WithBacking(append([]int32(nil), a.ids...)))
	case len(a.shape) == 0 && dtype == tensor.Float32:
		return gorgonia.NewF32(float32(a.data[0]))
	case len(a.shape) == 0:
		return gorgonia.NewF64(a.data[0])
	case dtype == tensor.Float32:
		return tensor.New(tensor.WithShape(a.shape...), tensor.WithBacking(convert[float32](a.data)))
	}
	return tensor.New(tensor.WithShape(a.shape...), tensor.WithBacking(append([]float64(nil), a.data...)))
}

// run computes the loss, and what else the graph reads, for the given arguments.
func (t *tape) run(args []argument) (result, error) {
	for i, a := range args {
		if err := gorgonia.Let(t.nodes[i], a.value(t.dtype)); err != nil {
			return result{}, err
		}
	}
	defer t.vm.Reset()
	if err := t.vm.RunAll(); err != nil {
		return result{}, err
	}
	r := result{loss: elements(t.lossV)[0], grads: map[string][]float64{}}
	r.out = []float64{r.loss}
	if t.out != t.loss {
		r.out = elements(t.outV)
	}
	i := 0
	for _, a := range t.args {
		if len(t.grads) > 0 && a.data != nil && !a.fixed {
			r.grads[a.name] = elements(*t.gradV[t.grads[i]])
			i++
		}
	}
	return r, nil
}

// evaluateTape runs a function once, with its gradients.
func evaluateTape(t *testing.T, f function, dtype tensor.Dtype) result {
	t.Helper()
	m, err := record(f, dtype, true)
	if err != nil {
		t.Fatal(err)
	}
	defer m.vm.Close()
	r, err := m.run(f.args)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func elements(v gorgonia.Value) []float64 {
	switch x := v.Data().(type) {
	case float32:
		return []float64{float64(x)}
	case float64:
		return []float64{x}
	case []float32:
		return convert[float64](x)
	case []float64:
		return append([]float64(nil), x...)
	}
	panic(fmt.Sprintf("op: value of type %T", v.Data()))
}

func convert[B, A Float](a []A) []B {
	b := make([]B, len(a))
	for i, x := range a {
		b[i] = B(x)
	}
	return b
}

// checkGradients compares every gradient in float64 with a central difference
// of the loss, and the float32 run with the float64 one.
func checkGradients(t *testing.T, f function) {
	t.Helper()
	double := evaluateTape(t, f, tensor.Float64)
	forward, err := record(f, tensor.Float64, false)
	if err != nil {
		t.Fatal(err)
	}
	defer forward.vm.Close()
	for i, a := range f.args {
		if a.data == nil || a.fixed {
			continue
		}
		got := double.grads[a.name]
		largest := 0.0
		for _, g := range got {
			largest = max(largest, math.Abs(g))
		}
		if len(got) != len(a.data) || largest == 0 {
			t.Errorf("gradient of %s has %d elements, the largest %v, for %d", a.name, len(got), largest, len(a.data))
			continue
		}
		for j, g := range got {
			want := centralDifference(t, forward, i, j)
			if d := math.Abs(g - want); !(d <= 1e-6*(math.Abs(want)+1e-3*largest)) {
				t.Errorf("gradient of %s[%d] is %.12g, by finite differences %.12g", a.name, j, g, want)
			}
		}
	}

	single := evaluateTape(t, f, tensor.Float32)
	for _, err := range []error{
		golden.Check("float32 output", single.out, double.out, 1e-5),
		golden.Check("float32 loss", []float64{single.loss}, []float64{double.loss}, 1e-4),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for name, want := range double.grads {
		if err := golden.Check("float32 gradient of "+name, single.grads[name], want, 1e-5); err != nil {
			t.Error(err)
		}
	}
}

// centralDifference is the derivative of the loss by element j of argument i,
// by the five-point formula, whose error is of order h⁴.
func centralDifference(t *testing.T, m *tape, i, j int) float64 {
	t.Helper()
	const h = 2e-4
	at := func(step float64) float64 {
		args := append([]argument(nil), m.args...)
		args[i].data = append([]float64(nil), args[i].data...)
		args[i].data[j] += step
		r, err := m.run(args)
		if err != nil {
			t.Fatal(err)
		}
		return r.loss
	}
	return (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
}

// unary is a function of one input, binary of two.
func unary(build func(x *gorgonia.Node) (*gorgonia.Node, error)) func(gorgonia.Nodes) (*gorgonia.Node, error) {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return build(in[0]) }
}

func binary(build func(a, b *gorgonia.Node) (*gorgonia.Node, error)) func(gorgonia.Nodes) (*gorgonia.Node, error) {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return build(in[0], in[1]) }
}
