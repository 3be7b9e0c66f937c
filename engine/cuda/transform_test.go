//go:build unix

package cuda_test

import (
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/shadow"
	"mobilellm/internal/bfloat16"
)

// copyOp computes a weight that is the parameter, and likewise its gradient: the
// plan is that of any computed weight.
type copyOp struct{ at, kind string }

func (o copyOp) Kind() string                           { return o.kind }
func (o copyOp) Scope() string                          { return o.at }
func (o copyOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }
func (o copyOp) Arity() int                             { return 1 }
func (o copyOp) ReturnsPtr() bool                       { return false }
func (o copyOp) CallsExtern() bool                      { return false }
func (o copyOp) OverwritesInput() int                   { return -1 }
func (o copyOp) WriteHash(h hash.Hash)                  { io.WriteString(h, o.String()) }
func (o copyOp) String() string                         { return o.at + "." + o.kind }
func (o copyOp) DiffWRT(int) []bool                     { return []bool{true} }
func (o copyOp) Accumulates(int) bool                   { return true }

func (o copyOp) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o copyOp) Type() hm.Type {
	matrix := gorgonia.TensorType{Dims: 2, Of: hm.TypeVariable('a')}
	return hm.NewFnType(matrix, matrix)
}

func (o copyOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return in[0].(tensor.Shape).Clone(), nil
}

func (o copyOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) { return v[0], nil }

func (o copyOp) SymDiff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := gorgonia.ApplyOp(copyOp{o.at, "copy.grad"}, grad)
	return gorgonia.Nodes{g}, err
}

// withCopy is a GPU with a kernel for copyOp.
type withCopy struct{ *cuda.Device }

func (d withCopy) Compile(in *engine.Instr) (engine.Kernel, error) {
	if _, ok := in.Op.(copyOp); ok {
		return cuda.CopyKernel(d.Device, in), nil
	}
	return d.Device.Compile(in)
}

// gradients are the loss and every gradient of two micro-batches.
func gradients(t *testing.T, dev engine.Device, c arch.Config, p engine.Precision, options ...arch.Option) map[string][]float32 {
	t.Helper()
	var shapes []engine.Parameter
	for _, p := range c.Parameters() {
		shapes = append(shapes, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	return gradientsOf(t, dev, c, shapes, p, options...)
}

// gradientsOf is gradients of a model with other parameters than its own besides.
func gradientsOf(t *testing.T, dev engine.Device, c arch.Config, shapes []engine.Parameter, p engine.Precision, options ...arch.Option) map[string][]float32 {
	t.Helper()
	const seq = 12
	g, err := c.BuildTraining(1, seq, options...)
	if err != nil {
		t.Fatal(err)
	}
	w, err := engine.NewWeights(dev, shapes, engine.WeightOptions{Gradients: true, BF16: p == engine.PrecisionBF16})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, q := range shapes {
		x := make([]float32, w.Value(q.Name).Len())
		for i := range x {
			x[i] = float32(rng.NormFloat64() / 4)
		}
		if w.Value(q.Name).DType == engine.F32 {
			must(engine.Write(w.Value(q.Name), x))
			continue
		}
		half := make([]uint16, len(x))
		for i, v := range x {
			half[i] = bfloat16.Round(v)
		}
		must(engine.Write(w.Value(q.Name), half))
	}
	w.Changed()
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Loss}, Gradients: g.Gradients, Weights: w}, dev, engine.Options{Precision: p})
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	read := map[string][]float32{"loss": make([]float32, 1)}
	for micro := range 2 {
		ids := make([]int32, seq)
		for i := range ids {
			ids[i] = rng.Int32N(int32(c.VocabSize))
		}
		must(engine.Write(vm.Input(g.Tokens), ids))
		must(engine.Write(vm.Input(g.Targets), ids))
		must(engine.Write(vm.Input(g.Scale), []float32{1.0 / seq}))
		vm.Accumulate(micro > 0)
		must(vm.RunAll())
		must(engine.Read(vm.Output(g.Loss), read["loss"]))
	}
	for _, q := range shapes {
		if q.Frozen {
			continue
		}
		read[q.Name] = make([]float32, w.Gradient(q.Name).Len())
		must(engine.Read(w.Gradient(q.Name), read[q.Name]))
	}
	return read
}

// TestComputedWeights holds a model whose linear layers compute their weights to
// the bits of the model that reads them, layers that run twice among them.
func TestComputedWeights(t *testing.T) {
	gpu, _ := open(t, shadow.Options{}, cuda.Options{})
	dev := withCopy{gpu}
	c := small("").Model
	transform := arch.TransformWeights(func(at, _ string, w *gorgonia.Node) (*gorgonia.Node, error) {
		return gorgonia.ApplyOp(copyOp{at, "copy"}, w)
	})
	for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
		t.Run(fmt.Sprint(precision), func(t *testing.T) {
			want := gradients(t, dev, c, precision)
			for name, got := range gradients(t, dev, c, precision, transform) {
				if !slices.Equal(got, want[name]) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}
