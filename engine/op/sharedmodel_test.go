package op

import (
	"math"
	"testing"

	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

// sharedModel is a tied embedding and one layer that runs twice: every weight
// but the last norm's is used more than once, so gorgonia sums gradients.
func sharedModel() function {
	m := &llama{
		Config: golden.Config{
			VocabSize: 7, Layers: 1, Dim: 8, Heads: 4, KVHeads: 2, HeadDim: 2, FFNDim: 6,
			NormEps: 1e-5, RoPEBase: 10000, ShareEmbedding: true, Sharing: "immediate", Repeat: 2,
		},
		batch: 2, seq: 3,
	}
	r := random(14)
	params := []argument{normal(r, "model.embed_tokens.weight", 0.5, m.VocabSize, m.Dim)}
	for _, w := range []struct {
		name string
		o, c int
	}{
		{"self_attn.q_proj", m.Heads * m.HeadDim, m.Dim},
		{"self_attn.k_proj", m.KVHeads * m.HeadDim, m.Dim},
		{"self_attn.v_proj", m.KVHeads * m.HeadDim, m.Dim},
		{"self_attn.o_proj", m.Dim, m.Heads * m.HeadDim},
		{"mlp.gate_proj", m.FFNDim, m.Dim},
		{"mlp.up_proj", m.FFNDim, m.Dim},
		{"mlp.down_proj", m.Dim, m.FFNDim},
	} {
		params = append(params, normal(r, "model.layers.0."+w.name+".weight", 0.5, w.o, w.c))
	}
	for _, name := range []string{"model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm", "model.norm"} {
		params = append(params, normal(r, name+".weight", 1, m.Dim))
	}
	return m.function(params, golden.Batch{
		Tokens:  []int32{3, 1, 3, 0, 6, 2},
		Targets: []int32{1, Unsupervised, 0, 6, 2, 5},
	})
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

		const rate = 1e-4
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
