package exporttest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
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
