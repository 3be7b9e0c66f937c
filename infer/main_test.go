package infer

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine/cpu"
	"mobilellm/tokenizer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// saved writes a model of drawn weights over bytes and returns its folder.
func saved(t *testing.T, dir string, vocab int) string {
	t.Helper()
	c := arch.Config{
		VocabSize: vocab, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: 40, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}.Resolved()
	r := rand.New(rand.NewPCG(3, 4))
	var weights []safetensors.Tensor
	for _, p := range c.Parameters() {
		values := make([]float32, p.Size())
		for i := range values {
			values[i] = 1
			if !p.Norm {
				values[i] = float32(0.3 * r.NormFloat64())
			}
		}
		weights = append(weights, safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: values})
	}
	tok := tokenizer.Bytes()
	tokens := checkpoint.NoTokens()
	if eos, _ := tok.Special().End(); int(eos) < vocab {
		tokens.BOS, tokens.EOS = eos, []int32{eos}
	}
	err := checkpoint.SaveModel(dir, checkpoint.Contents{
		Config: c, Meta: checkpoint.Meta{Tokens: tokens}, Weights: weights, Tokenizer: tok.Save,
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func loaded(t *testing.T) *Model {
	t.Helper()
	dev := cpu.New(cpu.Options{Workers: 2})
	t.Cleanup(dev.Close)
	m, err := Load(saved(t, filepath.Join(t.TempDir(), "model"), 260), dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
