package op

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

// llama is a model made of this package's operations, for the tests that need
// all of them at once; its arguments are the parameters, the tokens, the
// targets and the scale of the loss.
type llama struct {
	golden.Config
	batch, seq int
	weights    map[string]*gorgonia.Node
	err        error // after the first one nothing more is built
}

func (m *llama) heads() Heads {
	return Heads{
		Batch: m.batch, Seq: m.seq, Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim,
		RoPE: RoPE{Base: m.RoPEBase},
	}
}

// order is the schedule of weight layers.
func (m *llama) order() []int {
	var order []int
	for r := range m.Repeat {
		for i := range m.Layers {
			switch {
			case m.Sharing == "immediate":
				i = (r*m.Layers + i) / m.Repeat
			case m.Sharing == "reverse" && r%2 == 1:
				i = m.Layers - 1 - i
			}
			order = append(order, i)
		}
	}
	return order
}

func (m *llama) keep(n *gorgonia.Node, err error) *gorgonia.Node {
	m.err = err
	return n
}

func (m *llama) linear(at string, x *gorgonia.Node, names ...string) *gorgonia.Node {
	if m.err != nil {
		return nil
	}
	var w []*gorgonia.Node
	for _, name := range names {
		w = append(w, m.weights[name+".weight"])
	}
	return m.keep(Linear(at, x, w...))
}

func (m *llama) norm(at string, x *gorgonia.Node, name string) *gorgonia.Node {
	if m.err != nil {
		return nil
	}
	return m.keep(RMSNorm(at, x, m.weights[name+".weight"], m.NormEps))
}

// then adds an operation without weights.
func (m *llama) then(build func() (*gorgonia.Node, error)) *gorgonia.Node {
	if m.err != nil {
		return nil
	}
	return m.keep(build())
}

func (m *llama) loss(tokens, targets, scale *gorgonia.Node) (*gorgonia.Node, error) {
	embed := m.weights["model.embed_tokens.weight"]
	x := m.then(func() (*gorgonia.Node, error) { return Embedding("embed", embed, tokens) })
	for pos, layer := range m.order() {
		at, name := fmt.Sprint(pos), fmt.Sprintf("model.layers.%d.", layer)
		a := m.norm(at+".attn_norm", x, name+"input_layernorm")
		a = m.linear(at+".qkv", a, name+"self_attn.q_proj", name+"self_attn.k_proj", name+"self_attn.v_proj")
		if m.QKNorm {
			qkv, q, k := a, m.weights[name+"self_attn.q_norm.weight"], m.weights[name+"self_attn.k_norm.weight"]
			a = m.then(func() (*gorgonia.Node, error) {
				return QKNorm(at+".qknorm", qkv, q, k, QKHeads{m.Heads, m.KVHeads, m.HeadDim}, m.NormEps)
			})
		}
		a = m.then(func() (*gorgonia.Node, error) { return Attention(at+".attn", a, m.heads()) })
		a = m.linear(at+".o", a, name+"self_attn.o_proj")
		x = m.then(func() (*gorgonia.Node, error) { return Add(at+".attn_add", x, a) })
		f := m.norm(at+".ffn_norm", x, name+"post_attention_layernorm")
		f = m.linear(at+".gate_up", f, name+"mlp.gate_proj", name+"mlp.up_proj")
		f = m.then(func() (*gorgonia.Node, error) { return SwiGLU(at+".ffn", f) })
		f = m.linear(at+".down", f, name+"mlp.down_proj")
		x = m.then(func() (*gorgonia.Node, error) { return Add(at+".ffn_add", x, f) })
	}
	x = m.norm("norm", x, "model.norm")
	head := embed
	if !m.ShareEmbedding {
		head = m.weights["lm_head.weight"]
	}
	return m.then(func() (*gorgonia.Node, error) { return HeadLoss("head", x, head, targets, scale) }), m.err
}

// function is the model as a function of params and one batch.
func (m *llama) function(params []argument, batch golden.Batch) function {
	n := len(params)
	args := append(slices.Clone(params),
		tokens("tokens", batch.Tokens...), tokens("targets", batch.Targets...),
		constant("scale", 1/float64(batch.Supervised())))
	return function{args: args, build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		m.weights, m.err = map[string]*gorgonia.Node{}, nil
		for i, p := range params {
			m.weights[p.name] = in[i]
		}
		return m.loss(in[n], in[n+1], in[n+2])
	}}
}

// TestTransformers holds the operations together to a whole model of
// transformers: its loss and every gradient, layers shared or not.
func TestTransformers(t *testing.T) {
	for _, name := range golden.Cases {
		t.Run(name, func(t *testing.T) {
			c, err := golden.Load("../../arch/testdata/llama", name)
			if err != nil {
				t.Fatal(err)
			}
			var params []argument
			for _, n := range c.Names {
				params = append(params, argument{name: n, shape: c.Shapes[n], data: convert[float64](c.Params[n])})
			}
			m := &llama{Config: c.Config, batch: c.Batch, seq: c.Seq}
			r := evaluateTape(t, m.function(params, c.Batches[0]), tensor.Float32)
			if math.Abs(r.loss-c.Loss) > 1e-5 {
				t.Errorf("loss is %v, want %v", r.loss, c.Loss)
			}
			for _, n := range c.Names {
				if err := golden.Check("gradient of "+n, r.grads[n], c.Grads[n], 2e-5); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
