package gguf

import (
	"errors"
	"fmt"
	"slices"

	"mobilellm/tokenizer"
)

// pre is a way to cut text in words that llama.cpp knows, under some names
// (tokenizer.ggml.pre). interop/words.py compares each with the tokenizers library.
type pre struct {
	names []string // of which the first is written
	// spellings are lists of regular expressions of tokenizers that cut words so, to
	// be applied one after the other; the first is what a name is read as.
	spellings [][]string
	flags     preFlags
	otherwise string // which texts llama.cpp cuts otherwise; empty for none
}

// preFlags is what a name says besides.
type preFlags uint

const (
	ignoreMerges preFlags = 1 << iota // a word that is a token is taken whole
	addsBOS                           // where add_bos_token is missing
	usesNFC                           // the tokenizers of the name normalise text so; llama.cpp does not
)

// pres are the ways that are known here.
var pres = []pre{
	{names: []string{"smaug-bpe", "dbrx", "chatglm-bpe"}, spellings: [][]string{{llama3Words}, {gpt4Words}}},
	{
		names:     []string{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
		spellings: [][]string{{llama3Words}, {gpt4Words}}, flags: ignoreMerges | addsBOS,
	},
	{names: []string{"glm4", "glm5"}, spellings: [][]string{{llama3Words}}, flags: ignoreMerges},
	{names: []string{"qwen2", "deepseek-r1-qwen"}, spellings: [][]string{{qwen2Words}, {bailingWords}}, flags: usesNFC},
	{names: []string{"megrez", "kormo", "f2llmv2", "stablelm2", "hunyuan", "solar-open", "grok-2"}, spellings: [][]string{{qwen2Words}}},
	{names: []string{"bailingmoe", "bailingmoe2", "llada-moe"}, spellings: [][]string{{bailingWords}}},
	{names: []string{"qwen35"}, spellings: [][]string{{qwen35Words}}, flags: usesNFC},
	{names: []string{
		"gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4", "mellum", "modern-bert", "trillion", "granite-docling", "gigachat", "a.x-4.0",
		"jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe",
	}, spellings: [][]string{{gpt2Words}, {gpt2ShortWords}, {gpt2PossessiveWords}}},
	{
		names:     []string{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"},
		spellings: [][]string{{digit, gpt2Words}, {digit, gpt2ShortWords}},
	},
	{names: []string{"seed-coder"}, spellings: [][]string{{seedWords}, {seedEscapedWords}}},
	{names: []string{"ufakzeka"}, spellings: [][]string{{uncontractedWords}}},
	{names: []string{"laguna"}, spellings: [][]string{{lines, qwen2Words}}},
	{names: []string{"minicpm5"}, spellings: [][]string{{threeDigits, manyDigitWords}}, flags: ignoreMerges},
	{names: []string{"jais-2"}, spellings: [][]string{{jais2Words}}},
	{names: []string{"exaone-moe"}, spellings: [][]string{{exaoneWords}}},
	{names: []string{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"}, spellings: [][]string{{threeDigits, cjkWords, deepseekWords}}},
	{names: []string{"spark2_5"}, spellings: [][]string{{threeDigits, cjkWords, sparkWords, digit}}},
	{names: []string{"deepseek-llm"}, spellings: [][]string{{lineEnd, casedLetters, asciiSymbols, `\s+$`, hanWords, `\p{N}+`}}, otherwise: wideBlanks},
	{names: []string{"deepseek-coder"}, spellings: [][]string{{lineEnd, `\s?\p{L}+`, `\s?\p{P}+`, hanWords, digit}}, otherwise: wideBlanks},
	{names: []string{"bloom", "poro-chat", "gpt3-finnish"}, spellings: [][]string{{bloomWords}, {bloomNestedWords}}},
	{names: []string{"viking"}, spellings: [][]string{{bloomWords, digit}, {bloomNestedWords, digit}}},
	{names: []string{"youtu"}, spellings: [][]string{{eastAsianWords, gpt4oDigitWords}}, flags: ignoreMerges, otherwise: mixedCase},
	{names: []string{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, spellings: [][]string{{gpt4oWords}}, otherwise: mixedCase},
	{names: []string{"granite-embed-multi-97m"}, spellings: [][]string{{gpt4oWords}}, flags: ignoreMerges, otherwise: mixedCase},
	{names: []string{"tekken"}, spellings: [][]string{{tekkenWords}}, flags: ignoreMerges | addsBOS, otherwise: mixedCase},
	{names: []string{"default", ""}, spellings: [][]string{{`[\p{P}\$\+<=>\^~\|]+`, gpt2Words, `\p{N}+`, `[0-9][0-9][0-9]`}}},
}

// What llama.cpp does otherwise than the tokenizers of a name.
const (
	wideBlanks = "where a blank other than U+0020, such as U+3000, stands before a symbol"
	mixedCase  = "in words with combining marks, or that mix cases outside ASCII"
)

// has says whether a way cuts words as a tokenizer with such patterns does.
func (p *pre) has(patterns []string) bool {
	return slices.ContainsFunc(p.spellings, func(s []string) bool { return slices.Equal(s, patterns) })
}

// preOf is the way in which a byte-level vocabulary cuts words.
func preOf(v *tokenizer.Vocabulary) (*pre, error) {
	switch {
	case v.AddPrefix:
		return nil, errors.New("the tokenizer puts a blank before a text, which GGUF has no name for")
	case len(v.Patterns) == 0 && (len(v.Merges) > 0 || v.IgnoreMerges):
		return nil, errors.New("the tokenizer merges bytes over words' ends, which GGUF has no name for")
	case len(v.Patterns) == 0: // without merges words do not matter
		return preNamed("gpt-2"), nil
	}
	for i := range pres {
		if p := &pres[i]; p.has(v.Patterns) && (p.flags&ignoreMerges != 0) == v.IgnoreMerges {
			return p, nil
		}
	}
	return nil, fmt.Errorf("GGUF has no name for the tokenizer's words: pattern %q, ignore_merges %v", v.Patterns, v.IgnoreMerges)
}

// preNamed is the way of a name, nil for one that is not known here.
func preNamed(name string) *pre {
	for i := range pres {
		if slices.Contains(pres[i].names, name) {
			return &pres[i]
		}
	}
	return nil
}

// setPre gives a vocabulary the way to cut words of a name.
func setPre(v *tokenizer.Vocabulary, name string) error {
	p := preNamed(name)
	if p == nil {
		return fmt.Errorf("%s %q is not supported: only %q are", keyPre, name, preNames())
	}
	v.Patterns, v.NFC, v.IgnoreMerges = p.spellings[0], p.flags&usesNFC != 0, p.flags&ignoreMerges != 0
	return nil
}

// preNames are all names.
func preNames() []string {
	var all []string
	for _, p := range pres {
		all = append(all, p.names...)
	}
	return all
}

// sameWords says whether two lists of patterns are one way to cut words.
func sameWords(a, b []string) bool {
	if slices.Equal(a, b) {
		return true
	}
	for i := range pres {
		if pres[i].has(a) && pres[i].has(b) {
			return true
		}
	}
	return false
}
