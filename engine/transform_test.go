package engine_test

import (
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/engine/cpu/onednn"
	"mobilellm/engine/op"
	"mobilellm/internal/golden"
)

// elementOp is an operation of this test on a weight, element by element; in is
// the weight or, for a gradient, the gradient of the result.
type elementOp struct {
	kind, at string
	f        func(float32) float32
	gradient func(o elementOp, grad *gorgonia.Node) (*gorgonia.Node, error)
}

func (o elementOp) Kind() string                           { return o.kind }
func (o elementOp) Scope() string                          { return o.at }
func (o elementOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }
func (o elementOp) Arity() int                             { return 1 }
func (o elementOp) ReturnsPtr() bool                       { return false }
func (o elementOp) CallsExtern() bool                      { return false }
func (o elementOp) OverwritesInput() int                   { return -1 }
func (o elementOp) WriteHash(h hash.Hash)                  { fmt.Fprint(h, o.kind, "|", o.at) }
func (o elementOp) String() string                         { return o.at + "." + o.kind }
func (o elementOp) DiffWRT(int) []bool                     { return []bool{true} }

func (o elementOp) Hashcode() uint32 {
	var sum uint32
	for _, c := range o.String() {
		sum = 31*sum + uint32(c)
	}
	return sum
}

func (o elementOp) Type() hm.Type {
	matrix := gorgonia.TensorType{Dims: 2, Of: hm.TypeVariable('a')}
	return hm.NewFnType(matrix, matrix)
}

func (o elementOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return in[0].(tensor.Shape).Clone(), nil
}

func (o elementOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	x := slices.Clone(v[0].Data().([]float32))
	for i := range x {
		x[i] = o.f(x[i])
	}
	return tensor.New(tensor.WithShape(v[0].Shape()...), tensor.WithBacking(x)), nil
}

func (o elementOp) SymDiff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := o.gradient(o, grad)
	return gorgonia.Nodes{g}, err
}

// Recompute makes the weight again in place of keeping a copy of every layer's.
func (o elementOp) Recompute() op.Recompute { return op.Always }

// Accumulates lets the gradient of the weight be a term of the parameter's.
func (o elementOp) Accumulates(int) bool { return strings.HasSuffix(o.kind, ".grad") }

// sign is a binary weight with the straight-through gradient: dW is dy itself.
func sign(at string) elementOp {
	return elementOp{
		kind: "sign", at: at,
		f: func(x float32) float32 { return float32(math.Copysign(0.05, float64(x))) },
		gradient: func(_ elementOp, grad *gorgonia.Node) (*gorgonia.Node, error) {
			return grad, nil
		},
	}
}

// scaled is s·w, whose gradient is an operation of its own.
func scaled(s float32) func(at string) elementOp {
	times := func(x float32) float32 { return s * x }
	return func(at string) elementOp {
		return elementOp{kind: "scaled", at: at, f: times, gradient: func(o elementOp, grad *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.ApplyOp(elementOp{kind: "scaled.grad", at: o.at, f: times}, grad)
		}}
	}
}

// unscaled is scaled without the trait that lets its gradient add.
type unscaled struct{ elementOp }

func (unscaled) Accumulates(int) bool { return false }

func transformed(o func(at string) elementOp) arch.Option {
	return arch.TransformWeights(func(at, _ string, w *gorgonia.Node) (*gorgonia.Node, error) {
		return gorgonia.ApplyOp(o(at), w)
	})
}

// testDevice is the processor with a kernel for elementOp.
type testDevice struct{ *cpu.Device }

func (d testDevice) Compile(in *engine.Instr) (engine.Kernel, error) {
	if _, ok := in.Op.(elementOp); ok {
		return elementKernel{in}, nil
	}
	return d.Device.Compile(in)
}

type elementKernel struct{ in *engine.Instr }

func (elementKernel) Scratch() int64 { return 0 }

func (k elementKernel) Run(_ unsafe.Pointer, accumulating bool) {
	y, f := k.in.Out[0].Float32s(), k.in.Op.(elementOp).f
	for i, x := range k.in.In[0].Float32s() {
		if k.in.Store[0].Adds(accumulating) {
			y[i] += f(x)
		} else {
			y[i] = f(x)
		}
	}
}

// TestTransformedWeights trains models whose linear layers compute their weights,
// on gorgonia's own machine and on the engine: same losses and gradients, with
// every way to recompute, for layers that run twice, whole and in micro-batches.
func TestTransformedWeights(t *testing.T) {
	dev := testDevice{cpu.New(cpu.Options{})}
	t.Cleanup(dev.Close)
	for _, name := range []string{"untied_gqa", "reverse"} {
		for kind, o := range map[string]func(at string) elementOp{"sign": sign, "scaled": scaled(1.5)} {
			for _, recompute := range []engine.Recompute{engine.RecomputeNone, engine.RecomputeAttention, engine.RecomputeBlock} {
				c, config := goldenCase(t, name)
				for _, rows := range []int{c.Batch, 1} {
					t.Run(fmt.Sprintf("%s/%s/recompute %v/%d rows", name, kind, recompute, rows), func(t *testing.T) {
						tr := newTrainer(t, dev, config, c.Params, rows, c.Seq, engine.Options{Recompute: recompute, CheckNaN: true}, transformed(o))
						checkAgainstTape(t, tr, newTape(t, config, c, transformed(o)), c.Batches[:3])
					})
				}
			}
		}
	}
}

// TestUnchangedWeights holds a model whose weights pass through an operation that
// leaves them as they are to the bits of the model without, in both precisions and
// for both kinds of bf16 matmuls. Without oneDNN a gradient that adds is summed in
// another order than one that is added later: there it is held to its value.
func TestUnchangedWeights(t *testing.T) {
	for _, o := range []cpu.Options{{}, {OneDNN: true}} {
		dev := testDevice{cpu.New(o)}
		t.Cleanup(dev.Close)
		for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
			if precision == engine.PrecisionBF16 && !dev.BF16() {
				continue
			}
			for _, recompute := range []engine.Recompute{engine.RecomputeNone, engine.RecomputeAttention, engine.RecomputeBlock} {
				t.Run(fmt.Sprintf("%+v/%v/recompute %v", o, precision, recompute), func(t *testing.T) {
					c, config := goldenCase(t, "reverse")
					opt := engine.Options{Precision: precision, Recompute: recompute}
					computed := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, opt, transformed(scaled(1)))
					plain := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, opt)
					if onednn.Open() == nil {
						checkSameTraining(t, computed, plain, c)
					} else {
						checkSameGradients(t, computed, plain, c)
					}
					// No copy of all weights is kept for the backward pass.
					var weights int64
					for _, p := range config.Parameters() {
						weights += 4 * p.Size()
					}
					if more := computed.vm.Bytes() - plain.vm.Bytes(); more > weights/2 {
						t.Errorf("takes %d bytes more, the weights are %d", more, weights)
					}
				})
			}
		}
	}
}

// checkSameGradients holds the gradients of a case's batches to each other within
// what the order of a sum changes.
func checkSameGradients(t *testing.T, got, want *trainer, c *golden.Case) {
	t.Helper()
	for step, b := range c.Batches {
		got.gradients(t, b)
		want.gradients(t, b)
		for i, p := range got.params {
			for j, w := range want.params[i].Grad {
				if d := math.Abs(float64(p.Grad[j] - w)); !(d <= 1e-6) {
					t.Fatalf("step %d: the gradient of %s[%d] is %v, want %v", step, p.Name, j, p.Grad[j], w)
				}
			}
		}
	}
}

// TestBinaryWeightsInBF16 trains with weights of two values: in bf16 the gradient
// points where float32's does.
func TestBinaryWeightsInBF16(t *testing.T) {
	for _, o := range []cpu.Options{{}, {OneDNN: true}} {
		dev := testDevice{cpu.New(o)}
		t.Cleanup(dev.Close)
		if !dev.BF16() {
			t.Skip("needs oneDNN and a processor with bf16 matmuls")
		}
		c, config := goldenCase(t, "untied_gqa")
		exact := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, engine.Options{}, transformed(sign))
		want := exact.gradients(t, c.Batches[0])
		tr := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, engine.Options{Precision: engine.PrecisionBF16}, transformed(sign))
		if got := tr.gradients(t, c.Batches[0]); math.Abs(got-want) > 0.01*want {
			t.Errorf("%+v: the loss is %v, in float32 %v", o, got, want)
		}
		for i, p := range tr.params {
			if e, s := beside(p.Grad, exact.params[i].Grad); e > 0.1 || math.Abs(s-1) > 0.05 {
				t.Errorf("%+v: gradient of %s is %.3f of its length from float32's, %.3f times as long along it", o, p.Name, e, s)
			}
		}
	}
}

// What cannot be computed is refused by name.
func TestTransformsThatAreRefused(t *testing.T) {
	dev := testDevice{cpu.New(cpu.Options{})}
	t.Cleanup(dev.Close)
	c, config := goldenCase(t, "untied_gqa")
	scale := scaled(2)
	for _, test := range []struct {
		name string
		f    arch.WeightTransform
		err  string
	}{
		{"another shape", func(at, _ string, w *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Transpose(w)
		}, "arch: transform of model.layers.0."},
		{"an error", func(_, name string, w *gorgonia.Node) (*gorgonia.Node, error) {
			return nil, fmt.Errorf("no levels for %s", name)
		}, "arch: transform of model.layers.0.self_attn.q_proj.weight: no levels for model.layers.0.self_attn.q_proj.weight"},
		{"part of a product", func(at, name string, w *gorgonia.Node) (*gorgonia.Node, error) {
			if !strings.Contains(name, "k_proj") {
				return w, nil
			}
			return gorgonia.ApplyOp(scale(at), w)
		}, "engine: 0.attn.qkv linear: weights model.layers.0.self_attn.q_proj.weight, 0.self_attn.k_proj.scaled.0, model.layers.0.self_attn.v_proj.weight are partly parameters' and partly computed"},
		{"a gradient that cannot add", func(at, _ string, w *gorgonia.Node) (*gorgonia.Node, error) {
			o := scale(at)
			o.gradient = func(o elementOp, grad *gorgonia.Node) (*gorgonia.Node, error) {
				return gorgonia.ApplyOp(unscaled{elementOp{kind: "scaled.grad", at: o.at, f: o.f}}, grad)
			}
			return gorgonia.ApplyOp(o, w)
		}, "scaled.grad cannot add to what is there, as a term of a gradient must\nhint: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := config.BuildTraining(c.Batch, c.Seq, arch.TransformWeights(test.f))
			if err == nil {
				w := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, engine.Options{}).weights
				_, err = engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Loss}, Gradients: g.Gradients, Weights: w}, dev, engine.Options{})
			}
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error is %v, want %q", err, test.err)
			}
		})
	}
}
