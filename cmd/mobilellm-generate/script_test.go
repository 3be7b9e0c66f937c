package main

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/export/exporttest"
	"mobilellm/internal/cli/clitest"
	"mobilellm/tokenizer"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"mobilellm-generate": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			padded := filepath.Join(e.WorkDir, "padded") // its tokenizer has an id more
			if err := exporttest.Folder(padded, "../../export/convert/testdata/cases/padded", 0); err != nil {
				return err
			}
			if err := saveModel(filepath.Join(e.WorkDir, "talker"), 300); err != nil {
				return err
			}
			return saveModel(filepath.Join(e.WorkDir, "model"), 32)
		},
		Cmds: clitest.Commands(nil),
	})
}

// saveModel writes a small model of drawn weights over bytes.
func saveModel(dir string, context int) error {
	c := arch.Default()
	c.VocabSize, c.Layers, c.Dim, c.Heads, c.KVHeads, c.FFNDim, c.Context = 257, 2, 32, 4, 2, 64, context
	c = c.Resolved()
	r := rand.New(rand.NewPCG(1, 1))
	var weights []safetensors.Tensor
	for _, p := range c.Parameters() {
		values := make([]float32, p.Size())
		for i := range values {
			values[i] = float32(0.3 * r.NormFloat64())
		}
		weights = append(weights, safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: values})
	}
	return checkpoint.SaveModel(dir, checkpoint.Contents{
		Config: c, Meta: checkpoint.Meta{Tokens: tokenizer.ModelTokens{BOS: 256, EOS: []int32{256}, PAD: -1}}, Weights: weights, Tokenizer: tokenizer.Bytes().Save,
	})
}
