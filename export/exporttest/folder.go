package exporttest

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/tokenizer"
)

// Folder writes a model folder of drawn weights, the other files of which are those of
// the folder source, to the byte. Where that has no config.json the model is one of
// [Config] with so many tokens.
func Folder(dir, source string, vocab int) error {
	c, meta, err := checkpoint.ReadConfig(filepath.Join(source, checkpoint.ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		c, meta, err = Config(), checkpoint.Meta{Tokens: checkpoint.NoTokens()}, nil
		c.VocabSize = vocab
	}
	if err != nil {
		return err
	}
	return checkpoint.SaveModel(dir, checkpoint.Contents{
		Config: c, Meta: meta, Weights: Model(c, 1).Tensors(safetensors.F32),
		Tokenizer: func(dir string) error {
			if err := os.Remove(filepath.Join(dir, checkpoint.GenerationFile)); err != nil {
				return err
			}
			return copyFiles(dir, source)
		},
	})
}

// Bytes writes a small model of drawn weights over bytes, with a context of so many
// tokens.
func Bytes(dir string, context int) error {
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

func copyFiles(to, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}
