// Package modeltest makes what small models are of, for tests of their formats.
package modeltest

import (
	"math/rand/v2"

	"mobilellm/arch"
	"mobilellm/tokenizer"
)

// Config is a model of two layers with grouped queries and a tied head.
func Config() arch.Config {
	c := arch.Default()
	c.VocabSize, c.Layers, c.Dim, c.Heads, c.KVHeads, c.FFNDim, c.Context = 300, 2, 32, 4, 2, 64, 64
	return c.Resolved()
}

// Weights are numbers that depend on the seed alone, by parameters' names.
func Weights(c arch.Config, seed uint64) map[string][]float32 {
	weights := map[string][]float32{}
	r := rand.New(rand.NewPCG(seed, 1))
	for _, p := range c.Resolved().Parameters() {
		x := make([]float32, p.Size())
		for i := range x {
			x[i] = float32(r.NormFloat64() * 0.1)
			if p.Norm {
				x[i]++
			}
		}
		weights[p.Name] = x
	}
	return weights
}

// Tokens are the special ones of [Vocabulary].
func Tokens() tokenizer.ModelTokens {
	return tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: tokenizer.None}
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
