package gguf

import (
	"errors"
	"fmt"

	"mobilellm/data/vocab"
)

const (
	keyModel    = "tokenizer.ggml.model"
	keyPre      = "tokenizer.ggml.pre"
	keyTokens   = "tokenizer.ggml.tokens"
	keyScores   = "tokenizer.ggml.scores"
	keyTypes    = "tokenizer.ggml.token_type"
	keyMerges   = "tokenizer.ggml.merges"
	keyBOS      = "tokenizer.ggml.bos_token_id"
	keyEOS      = "tokenizer.ggml.eos_token_id"
	keyUnknown  = "tokenizer.ggml.unknown_token_id"
	keyAddBOS   = "tokenizer.ggml.add_bos_token"
	keyAddEOS   = "tokenizer.ggml.add_eos_token"
	keyAddSpace = "tokenizer.ggml.add_space_prefix"
	keyBlanks   = "tokenizer.ggml.remove_extra_whitespaces"
	keyCharsMap = "tokenizer.ggml.precompiled_charsmap"
)

// patterns are llama.cpp's names for the patterns of words. Of the names that
// Llama 3's pattern has, the first merges as the list of merges says; llama-bpe
// would first look each word up whole.
var patterns = []struct{ name, pattern string }{
	{"smaug-bpe", vocab.Llama3Pattern},
	{"dbrx", vocab.Llama3Pattern},
	{"llama-bpe", vocab.Llama3Pattern},
	{"gpt-2", vocab.GPT2Pattern},
}

// tokenizerMetadata lists a vocabulary, padded to the model's with tokens that no
// text has.
func tokenizerMetadata(v *vocab.Vocabulary, size int) ([]keyValue, error) {
	if v == nil {
		return []keyValue{{keyModel, "no_vocab"}}, nil
	}
	var list []keyValue
	switch v.Kind {
	case vocab.SentencePiece:
		list = append(list, keyValue{keyModel, "llama"}, keyValue{keyPre, "default"})
		if len(v.CharsMap) > 0 {
			return nil, errors.New("the tokenizer normalises text by rules, which llama.cpp does not apply to this kind")
		}
	case vocab.ByteLevel:
		name := ""
		if v.Pattern == "" {
			if len(v.Merges) > 0 {
				return nil, errors.New("the tokenizer merges bytes over words' ends, which GGUF has no name for")
			}
			name = "gpt-2" // without merges words do not matter
		}
		for _, p := range patterns {
			if p.pattern == v.Pattern && name == "" {
				name = p.name
			}
		}
		if name == "" {
			return nil, fmt.Errorf("GGUF has no name for the tokenizer's pattern of words %q", v.Pattern)
		}
		list = append(list, keyValue{keyModel, "gpt2"}, keyValue{keyPre, name})
	default:
		panic(fmt.Sprintf("gguf: vocabulary of kind %d", v.Kind))
	}
	texts, scores, types := make([]string, size), make([]float32, size), make([]int32, size)
	for id := range size {
		if id < len(v.Tokens) {
			t := v.Tokens[id]
			texts[id], scores[id], types[id] = t.Text, t.Score, int32(t.Type)
		} else {
			texts[id], types[id] = fmt.Sprintf("[PAD%d]", id), int32(vocab.Unused)
		}
	}
	list = append(list, keyValue{keyTokens, texts}, keyValue{keyTypes, types})
	if v.Kind == vocab.SentencePiece {
		list = append(list, keyValue{keyScores, scores},
			keyValue{keyAddSpace, v.AddPrefix}, keyValue{keyBlanks, v.RemoveExtraBlanks})
	} else {
		merges := make([]string, len(v.Merges))
		for i, m := range v.Merges {
			merges[i] = m[0] + " " + m[1]
		}
		list = append(list, keyValue{keyMerges, merges})
	}
	for _, id := range []struct {
		key   string
		value int
	}{{keyBOS, v.BOS}, {keyEOS, v.EOS}, {keyUnknown, v.Unknown}} {
		if id.value >= 0 {
			list = append(list, keyValue{id.key, uint32(id.value)})
		}
	}
	return append(list, keyValue{keyAddBOS, v.BOS >= 0}, keyValue{keyAddEOS, false}), nil
}

// vocabulary reads the tokenizer, nil where the file has none.
func (f *File) vocabulary() (*vocab.Vocabulary, error) {
	model, _ := f.Metadata[keyModel].(string)
	v := &vocab.Vocabulary{AddPrefix: true}
	switch model {
	case "", "no_vocab", "none":
		return nil, nil
	case "llama":
		v.Kind = vocab.SentencePiece
	case "gpt2":
		v.Kind = vocab.ByteLevel
	default:
		return nil, fmt.Errorf("%s %q is not supported: only llama and gpt2 are", keyModel, model)
	}
	texts, ok := f.Metadata[keyTokens].([]string)
	if !ok {
		return nil, fmt.Errorf("%s is missing", keyTokens)
	}
	scores, _ := f.Metadata[keyScores].([]float32)
	types, _ := f.Metadata[keyTypes].([]int64)
	if len(scores) != 0 && len(scores) != len(texts) || len(types) != 0 && len(types) != len(texts) {
		return nil, fmt.Errorf("%d tokens have %d scores and %d types", len(texts), len(scores), len(types))
	}
	if v.Kind == vocab.SentencePiece && len(scores) == 0 {
		return nil, fmt.Errorf("%s is missing", keyScores)
	}
	// Tokens at the end that only fill up the model's vocabulary are left out.
	for len(types) > 0 && types[len(types)-1] == int64(vocab.Unused) {
		types = types[:len(types)-1]
		texts = texts[:len(types)]
	}
	for id, text := range texts {
		t := vocab.Token{Text: text, Type: vocab.Normal}
		if len(scores) > 0 {
			t.Score = scores[id]
		}
		if len(types) > 0 {
			t.Type = vocab.Type(types[id])
		}
		v.Tokens = append(v.Tokens, t)
	}
	v.BOS, v.EOS, v.Unknown = f.tokenID(keyBOS, len(texts)), f.tokenID(keyEOS, len(texts)), f.tokenID(keyUnknown, len(texts))
	if v.Kind == vocab.SentencePiece {
		if v.Unknown < 0 {
			v.Unknown = 0 // llama.cpp's default
		}
		if prefix, ok := f.Metadata[keyAddSpace].(bool); ok {
			v.AddPrefix = prefix
		}
		v.RemoveExtraBlanks, _ = f.Metadata[keyBlanks].(bool)
		return v, nil
	}
	return v, f.setMerges(v)
}

func (f *File) setMerges(v *vocab.Vocabulary) error {
	merges, _ := f.Metadata[keyMerges].([]string)
	for i, m := range merges {
		// The blank that parts both is the first after the first letter: a
		// byte's letter is never a blank.
		left, right, ok := cutMerge(m)
		if !ok {
			return fmt.Errorf("%s: merge %d (%q) has no blank", keyMerges, i, m)
		}
		v.Merges = append(v.Merges, [2]string{left, right})
	}
	if len(merges) == 0 {
		return nil // bytes alone
	}
	pre, _ := f.Metadata[keyPre].(string)
	for _, p := range patterns {
		if p.name == pre {
			v.Pattern = p.pattern
		}
	}
	if v.Pattern == "" {
		return fmt.Errorf("%s %q is not supported: only smaug-bpe, dbrx, llama-bpe and gpt-2 are", keyPre, pre)
	}
	return nil
}

func cutMerge(m string) (left, right string, ok bool) {
	for i := 1; i < len(m); i++ {
		if m[i] == ' ' {
			return m[:i], m[i+1:], true
		}
	}
	return "", "", false
}

func (f *File) tokenID(key string, size int) int {
	n, ok := number(f.Metadata[key])
	if !ok || n < 0 || n >= float64(size) {
		return -1
	}
	return int(n)
}
