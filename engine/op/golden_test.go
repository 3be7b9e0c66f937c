package op

import (
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
	"mobilellm/internal/quant"
)

// TestPyTorch compares values and gradients with testdata/golden.json.
func TestPyTorch(t *testing.T) {
	ops, err := golden.LoadOps("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range ops {
		seen[o.Kind] = true
		seen["masked attention"] = seen["masked attention"] || o.Kind == "attention" && len(o.Inputs) == 2
		f := function{build: builder(t, o), upstream: o.Upstream}
		for _, a := range o.Inputs {
			f.args = append(f.args, argument{name: a.Name, shape: a.Shape, data: a.Data, ids: a.IDs, fixed: a.Grad == nil})
		}
		for _, p := range []struct {
			dtype     tensor.Dtype
			tolerance float64
		}{{tensor.Float64, 1e-9}, {tensor.Float32, 1e-5}} {
			t.Run(o.Kind+"/"+o.Name+"/"+p.dtype.String(), func(t *testing.T) {
				r := evaluateTape(t, f, p.dtype)
				if err := golden.Check("output", r.out, o.Output.Data, p.tolerance); err != nil {
					t.Error(err)
				}
				for _, a := range o.Inputs {
					if a.Grad == nil {
						continue
					}
					if err := golden.Check("gradient of "+a.Name, r.grads[a.Name], a.Grad, p.tolerance); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	for _, kind := range []string{"embedding", "linear", "rmsnorm", "attention", "masked attention", "swiglu", "relu", "add", "headloss", "headzloss", "quantize", "learnedquantize"} {
		if !seen[kind] {
			t.Errorf("%s is not in golden.json", kind)
		}
	}
}

// builder adds the operation that a reference was computed for.
func builder(t *testing.T, o golden.Op) func(in gorgonia.Nodes) (*gorgonia.Node, error) {
	t.Helper()
	const at = "0.test"
	switch o.Kind {
	case "embedding":
		return binary(func(w, ids *gorgonia.Node) (*gorgonia.Node, error) { return Embedding(at, w, ids) })
	case "linear":
		return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return Linear(at, in[0], in[1:]...) }
	case "rmsnorm":
		return binary(func(x, w *gorgonia.Node) (*gorgonia.Node, error) { return RMSNorm(at, x, w, o.Attrs["eps"]) })
	case "attention":
		h := Heads{
			Batch: o.Int("batch"), Seq: o.Int("seq"), Heads: o.Int("heads"), KVHeads: o.Int("kv_heads"),
			HeadDim: o.Int("head_dim"), RoPE: RoPE{Base: o.Attrs["rope_base"]},
		}
		return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			if len(in) == 2 {
				return MaskedAttention(at, in[0], in[1], h)
			}
			return Attention(at, in[0], h)
		}
	case "swiglu":
		return unary(func(x *gorgonia.Node) (*gorgonia.Node, error) { return SwiGLU(at, x) })
	case "relu":
		return unary(func(x *gorgonia.Node) (*gorgonia.Node, error) { return ReLU(at, x) })
	case "add":
		return binary(func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return Add(at, a, b) })
	case "quantize":
		return unary(func(x *gorgonia.Node) (*gorgonia.Node, error) { return Quantize(at, x, rule(o)) })
	case "learnedquantize":
		return binary(func(w, alpha *gorgonia.Node) (*gorgonia.Node, error) { return LearnedQuantize(at, w, alpha, rule(o)) })
	case "headzloss":
		return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			loss, _, err := HeadZLoss(at, in[0], in[1], in[2], in[3], o.Attrs["z"])
			return loss, err
		}
	case "headloss":
		return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return HeadLoss(at, in[0], in[1], in[2], in[3]) }
	}
	t.Fatalf("no operation of kind %s", o.Kind)
	return nil
}

func rule(o golden.Op) quant.Rule {
	return quant.Rule{
		Method: quant.Methods()[o.Int("method")], Bits: quant.Bits(o.Attrs["bits"]),
		Scheme: quant.Schemes()[o.Int("scheme")], Scaled: o.Int("scaled") == 1,
	}
}
