package gguf

import (
	"errors"
	"fmt"
	"sync"

	"mobilellm/checkpoint"
	"mobilellm/export"
	"mobilellm/export/rotary"
	"mobilellm/tokenizer"
)

// Read reads a model of the llama architecture.
func Read(path string) (_ *export.Model, err error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Model()
}

// Model reads the model that the file holds. Its tensors must be exactly those of
// its shape.
func (f *File) Model() (*export.Model, error) {
	m := &export.Model{Weights: map[string][]float32{}}
	var err error
	if m.Config, err = f.config(); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	params := m.Config.Parameters()
	known := map[string]bool{ropeFactors: true}
	for _, p := range params {
		known[tensorName(p)] = true
	}
	for _, t := range f.Tensors {
		if !known[t.Name] {
			return nil, fmt.Errorf("%s: tensor %s of shape %d is not expected", f.name, clip(t.Name), t.Shape)
		}
	}
	// All shapes before the first allocation: a config may promise any size.
	for _, p := range params {
		if err := f.read(tensorName(p), p.Shape, nil); err != nil {
			return nil, err
		}
	}
	for _, p := range params {
		x := make([]float32, p.Size())
		if err := f.read(tensorName(p), p.Shape, x); err != nil {
			return nil, err
		}
		if heads := rotatedHeads(m.Config, p); heads > 0 {
			x = rotary.ToHalves(x, heads, m.Config.HeadDim)
		}
		m.Weights[p.Name] = x
	}
	m.Meta.Tokens = checkpoint.NoTokens()
	if f.hasVocabulary() {
		s := f.special(m.Config.VocabSize)
		m.Meta.Tokens = tokenizer.ModelTokens{BOS: s.BOS, EOS: s.EOS, PAD: s.PAD}
		m.OpenTokenizer = sync.OnceValues(f.tokenizer)
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return m, nil
}
