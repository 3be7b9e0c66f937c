// Package exporttest makes small models for the tests of the formats.
package exporttest

import (
	"math/rand/v2"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/export"
	"mobilellm/tokenizer"
)

// Config is a model of two layers with grouped queries and a tied head.
func Config() arch.Config {
	c := arch.Default()
	c.VocabSize, c.Layers, c.Dim, c.Heads, c.KVHeads, c.FFNDim, c.Context = 300, 2, 32, 4, 2, 64, 64
	return c.Resolved()
}

// Model fills a model with numbers that depend on the seed alone.
func Model(c arch.Config, seed uint64) *export.Model {
	m := &export.Model{
		Config: c.Resolved(), Meta: checkpoint.Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: -1}, DType: safetensors.F32},
		Weights: map[string][]float32{},
	}
	m.SetVocabulary(Vocabulary())
	r := rand.New(rand.NewPCG(seed, 1))
	for _, p := range m.Config.Parameters() {
		x := make([]float32, p.Size())
		for i := range x {
			x[i] = float32(r.NormFloat64() * 0.1)
			if p.Norm {
				x[i]++
			}
		}
		m.Weights[p.Name] = x
	}
	return m
}

// Vocabulary is SentencePiece's bytes and a few pieces.
func Vocabulary() *tokenizer.Vocabulary {
	v := &tokenizer.Vocabulary{Kind: tokenizer.SentencePiece, Special: tokenizer.Special{BOS: 1, EOS: []int32{2}, PAD: tokenizer.None, Start: 1}, AddPrefix: true}
	v.Tokens = []tokenizer.Token{
		{Text: "<unk>", Type: tokenizer.Unknown}, {Text: "<s>", Type: tokenizer.Control}, {Text: "</s>", Type: tokenizer.Control},
	}
	const digits = "0123456789ABCDEF"
	for b := range 256 {
		v.Tokens = append(v.Tokens, tokenizer.Token{Text: "<0x" + string([]byte{digits[b>>4], digits[b&15]}) + ">", Type: tokenizer.Byte})
	}
	for i, text := range []string{"\u2581t", "he", "\u2581the", "in", "th", "er", "\u2581", "e", "t", "a", "h", "i", "n", "r", "é"} {
		v.Tokens = append(v.Tokens, tokenizer.Token{Text: text, Score: -float32(i), Type: tokenizer.Normal})
	}
	return v
}
