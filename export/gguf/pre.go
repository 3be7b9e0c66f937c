package gguf

import (
	"errors"
	"fmt"
	"slices"

	"mobilellm/tokenizer"
)

// pre is one of llama.cpp's names for how text is cut in words (tokenizer.ggml.pre).
type pre struct {
	name         string
	patterns     []string
	nfc          bool // the tokenizers of that name normalise text so; llama.cpp does not
	ignoreMerges bool // a word that is a token is taken whole
}

const (
	gpt2Words   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	llama3Words = tokenizer.WordPattern
	qwen2Words  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// pres are the names that are known here; of several for one way the first is
// written.
var pres = []pre{
	{"smaug-bpe", []string{llama3Words}, false, false},
	{"dbrx", []string{llama3Words}, false, false},
	{"llama-bpe", []string{llama3Words}, false, true},
	{"llama3", []string{llama3Words}, false, true},
	{"qwen2", []string{qwen2Words}, true, false},
	{"qwen2", []string{qwen2Words}, false, false},
	{"smollm", []string{`\p{N}`, gpt2Words}, false, false},
	{"gpt-2", []string{gpt2Words}, false, false},
}

// preOf is the name of a vocabulary's way to cut words.
func preOf(v *tokenizer.Vocabulary) (string, error) {
	switch {
	case v.AddPrefix:
		return "", errors.New("the tokenizer puts a blank before a text, which GGUF has no name for")
	case len(v.Patterns) == 0 && len(v.Merges) > 0:
		return "", errors.New("the tokenizer merges bytes over words' ends, which GGUF has no name for")
	case len(v.Patterns) == 0:
		return "gpt-2", nil // without merges words do not matter
	}
	for _, p := range pres {
		if slices.Equal(p.patterns, v.Patterns) && p.nfc == v.NFC && p.ignoreMerges == v.IgnoreMerges {
			return p.name, nil
		}
	}
	return "", fmt.Errorf("GGUF has no name for the tokenizer's words: pattern %q, NFC %v, ignore_merges %v", v.Patterns, v.NFC, v.IgnoreMerges)
}

// setPre gives a vocabulary the way to cut words of a name.
func setPre(v *tokenizer.Vocabulary, name string) error {
	for _, p := range pres {
		if p.name == name {
			v.Patterns, v.NFC, v.IgnoreMerges = p.patterns, p.nfc, p.ignoreMerges
			return nil
		}
	}
	var known []string
	for _, p := range pres {
		if !slices.Contains(known, p.name) {
			known = append(known, p.name)
		}
	}
	return fmt.Errorf("%s %q is not supported: only %q are", keyPre, name, known)
}
