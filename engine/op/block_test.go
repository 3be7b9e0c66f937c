package op

import (
	"math"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

// sharedModel is a tied embedding and one layer that runs twice: every weight
// is used more than once, so gorgonia sums gradients everywhere.
func sharedModel() function {
	const vocab, c, f = 7, 8, 6
	h := Heads{Batch: 2, Seq: 3, Heads: 4, KVHeads: 2, HeadDim: 2, RoPE: RoPE{Base: 10000}}
	r := random(14)
	return function{
		args: []argument{
			normal(r, "embed", 0.5, vocab, c),
			normal(r, "norm", 1, c),
			normal(r, "q", 0.5, h.Heads*h.HeadDim, c),
			normal(r, "k", 0.5, h.KVHeads*h.HeadDim, c),
			normal(r, "v", 0.5, h.KVHeads*h.HeadDim, c),
			normal(r, "o", 0.5, c, h.Heads*h.HeadDim),
			normal(r, "gate", 0.5, f, c),
			normal(r, "up", 0.5, f, c),
			normal(r, "down", 0.5, c, f),
			tokens("tokens", 3, 1, 3, 0, 6, 2),
			tokens("targets", 1, Unsupervised, 0, 6, 2, 5),
			constant("scale", 0.2),
		},
		build: func(in gorgonia.Nodes) (*gorgonia.Node, error) { return chain(in, h) },
	}
}

// chain builds the model; after the first error it does nothing.
func chain(in gorgonia.Nodes, h Heads) (*gorgonia.Node, error) {
	var err error
	do := func(build func() (*gorgonia.Node, error)) (n *gorgonia.Node) {
		if err == nil {
			n, err = build()
		}
		return n
	}
	norm := func(at string, x *gorgonia.Node) *gorgonia.Node {
		return do(func() (*gorgonia.Node, error) { return RMSNorm(at, x, in[1], 1e-5) })
	}
	linear := func(at string, x *gorgonia.Node, w ...*gorgonia.Node) *gorgonia.Node {
		return do(func() (*gorgonia.Node, error) { return Linear(at, x, w...) })
	}
	x := do(func() (*gorgonia.Node, error) { return Embedding("embed", in[0], in[9]) })
	for _, layer := range []string{"0", "1"} {
		a := linear(layer+".qkv", norm(layer+".attn_norm", x), in[2], in[3], in[4])
		a = do(func() (*gorgonia.Node, error) { return Attention(layer+".attn", a, h) })
		a = linear(layer+".o", a, in[5])
		x = do(func() (*gorgonia.Node, error) { return Add(layer+".attn_add", x, a) })
		m := linear(layer+".gate_up", norm(layer+".ffn_norm", x), in[6], in[7])
		m = do(func() (*gorgonia.Node, error) { return SwiGLU(layer+".ffn", m) })
		m = linear(layer+".down", m, in[8])
		x = do(func() (*gorgonia.Node, error) { return Add(layer+".ffn_add", x, m) })
	}
	x = norm("norm", x)
	return do(func() (*gorgonia.Node, error) { return HeadLoss("head", x, in[0], in[10], in[11]) }), err
}

func TestSharedModelGradient(t *testing.T) { checkGradients(t, sharedModel()) }

// One descent step along the gradient lowers the loss by what it promises.
func TestSharedModelDescends(t *testing.T) {
	f := sharedModel()
	for _, dtype := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		m, err := record(f, dtype, true)
		if err != nil {
			t.Fatal(err)
		}
		defer m.vm.Close()
		before, err := m.run(f.args)
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.run(f.args)
		if err != nil {
			t.Fatal(err)
		}
		if before.loss != again.loss {
			t.Errorf("%v: the second run's loss is %v, the first's %v", dtype, again.loss, before.loss)
		}
		for name, g := range before.grads {
			if err := golden.Check("second run's gradient of "+name, again.grads[name], g, 0); err != nil {
				t.Errorf("%v: %v", dtype, err)
			}
		}

		const rate = 1e-3
		args := append([]argument(nil), f.args...)
		promise := 0.0
		for i, a := range args {
			grad, ok := before.grads[a.name]
			if !ok {
				continue
			}
			args[i].data = append([]float64(nil), a.data...)
			for j, g := range grad {
				args[i].data[j] -= rate * g
				promise += rate * g * g
			}
		}
		after, err := m.run(args)
		if err != nil {
			t.Fatal(err)
		}
		if drop := before.loss - after.loss; promise < 1e-4 || math.Abs(drop/promise-1) > 0.05 {
			t.Errorf("%v: the loss fell by %v, the gradient promised %v", dtype, drop, promise)
		}
	}
}
