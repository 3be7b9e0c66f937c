package infer

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/tokenizer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// saved writes a model of drawn weights over bytes and returns its folder.
func saved(t *testing.T, dir string, vocab int) string {
	t.Helper()
	return savedAs(t, dir, small(vocab), nil)
}

func small(vocab int) arch.Config {
	return arch.Config{
		VocabSize: vocab, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: 40, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}.Resolved()
}

// savedAs writes a model of drawn weights, which change alters.
func savedAs(t *testing.T, dir string, c arch.Config, change func(name string, x []float32)) string {
	t.Helper()
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
		if change != nil {
			change(p.Name, values)
		}
		weights = append(weights, safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: values})
	}
	tok := tokenizer.Bytes()
	tokens := checkpoint.NoTokens()
	if eos, _ := tok.Special().End(); int(eos) < c.VocabSize {
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

func loaded(t *testing.T) *Model { return loadedWith(t, LoadOptions{}, nil) }

func loadedWith(t *testing.T, o LoadOptions, change func(name string, x []float32)) *Model {
	t.Helper()
	return open(t, savedAs(t, filepath.Join(t.TempDir(), "model"), small(260), change), o)
}

// endless is a model whose texts no token ends.
func endless(t *testing.T) *Model {
	t.Helper()
	m := loaded(t)
	v, err := m.Tokenizer.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	v.Special = tokenizer.NoSpecial()
	if m.Tokenizer, err = tokenizer.FromVocabulary(v); err != nil {
		t.Fatal(err)
	}
	return m
}

// folderOf is where each model was opened.
var folderOf = map[*Model]string{}

func open(t *testing.T, dir string, o LoadOptions) *Model {
	t.Helper()
	dev := cpu.New(cpu.Options{Workers: 2})
	t.Cleanup(dev.Close)
	m, err := Load(dir, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	folderOf[m] = dir
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// oracle is the logits of each token by the graph of the whole model, in float32.
func oracle(t *testing.T, c arch.Config, dir string, ids []int32) [][]float32 {
	t.Helper()
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	folder, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	var list []engine.Parameter
	for _, p := range c.Parameters() {
		list = append(list, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	w, err := engine.NewWeights(dev, list, engine.WeightOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, p := range list {
		if err := folder.LoadInto(p.Name, w.Value(p.Name).Float32s(), p.Shape); err != nil {
			t.Fatal(err)
		}
	}
	g, err := c.BuildLogits(1, len(ids))
	if err != nil {
		t.Fatal(err)
	}
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Logits}, Weights: w}, dev, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	copy(vm.Input(g.Tokens).Ids(), ids)
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	var rows [][]float32
	for row := range slices.Chunk(vm.Output(g.Logits).Float32s(), c.VocabSize) {
		rows = append(rows, slices.Clone(row))
	}
	return rows
}
