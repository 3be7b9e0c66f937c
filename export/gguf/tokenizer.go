package gguf

import (
	"errors"
	"fmt"

	"mobilellm/tokenizer"
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
	keyEOT      = "tokenizer.ggml.eot_token_id"
	keyPAD      = "tokenizer.ggml.padding_token_id"
	keyUnknown  = "tokenizer.ggml.unknown_token_id"
	keyAddBOS   = "tokenizer.ggml.add_bos_token"
	keyAddEOS   = "tokenizer.ggml.add_eos_token"
	keyAddSpace = "tokenizer.ggml.add_space_prefix"
	keyBlanks   = "tokenizer.ggml.remove_extra_whitespaces"
	keyCharsMap = "tokenizer.ggml.precompiled_charsmap"
)

// tokenizerMetadata lists a vocabulary, padded to the model's with tokens that no
// text has.
func tokenizerMetadata(v *tokenizer.Vocabulary, size int) ([]keyValue, error) {
	if v == nil {
		return []keyValue{{keyModel, "no_vocab"}}, nil
	}
	var list []keyValue
	switch v.Kind {
	case tokenizer.SentencePiece:
		list = append(list, keyValue{keyModel, "llama"}, keyValue{keyPre, "default"})
		if len(v.CharsMap) > 0 {
			return nil, errors.New("the tokenizer normalises text by rules, which llama.cpp does not apply to this kind")
		}
	case tokenizer.ByteLevel:
		pre, err := preOf(v)
		if err != nil {
			return nil, err
		}
		list = append(list, keyValue{keyModel, "gpt2"}, keyValue{keyPre, pre})
	default:
		panic(fmt.Sprintf("gguf: vocabulary of kind %d", v.Kind))
	}
	texts, scores, types := make([]string, size), make([]float32, size), make([]int32, size)
	for id := range size {
		if id < len(v.Tokens) {
			t := v.Tokens[id]
			texts[id], scores[id], types[id] = t.Text, t.Score, int32(t.Type)
		} else {
			texts[id], types[id] = fmt.Sprintf("[PAD%d]", id), int32(tokenizer.Unused)
		}
	}
	list = append(list, keyValue{keyTokens, texts}, keyValue{keyTypes, types})
	if v.Kind == tokenizer.SentencePiece {
		list = append(list, keyValue{keyScores, scores},
			keyValue{keyAddSpace, v.AddPrefix}, keyValue{keyBlanks, v.RemoveExtraBlanks})
	} else {
		merges := make([]string, len(v.Merges))
		for i, m := range v.Merges {
			merges[i] = m[0] + " " + m[1]
		}
		list = append(list, keyValue{keyMerges, merges})
	}
	return append(list, specialMetadata(v, size)...), nil
}

// specialMetadata lists the special tokens: what opens a text goes by the name of
// BOS, as llama.cpp puts that before a prompt.
func specialMetadata(v *tokenizer.Vocabulary, size int) []keyValue {
	var list []keyValue
	set := func(key string, id int32) {
		if id >= 0 && int(id) < size {
			list = append(list, keyValue{key, uint32(id)})
		}
	}
	s := v.Special
	bos := s.BOS
	if s.Start != tokenizer.None {
		bos = s.Start
	}
	set(keyBOS, bos)
	if end, ok := s.End(); ok {
		set(keyEOS, end)
	}
	if len(s.EOS) > 1 { // llama.cpp has a name for two of them
		set(keyEOT, s.EOS[1])
	}
	set(keyPAD, s.PAD)
	set(keyUnknown, v.Unknown)
	return append(list, keyValue{keyAddBOS, s.Start != tokenizer.None}, keyValue{keyAddEOS, false})
}

// hasVocabulary says whether the file brings a tokenizer.
func (f *File) hasVocabulary() bool {
	model, _ := f.Metadata[keyModel].(string)
	return model != "" && model != "no_vocab" && model != "none"
}

// tokenizer makes the file's tokenizer.
func (f *File) tokenizer() (*tokenizer.Tokenizer, error) {
	v, err := f.vocabulary()
	if err == nil {
		var t *tokenizer.Tokenizer
		if t, err = tokenizer.FromVocabulary(v); err == nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", f.name, err)
}

// vocabulary reads the tokenizer.
func (f *File) vocabulary() (*tokenizer.Vocabulary, error) {
	model, _ := f.Metadata[keyModel].(string)
	v := &tokenizer.Vocabulary{}
	switch model {
	case "llama":
		v.Kind, v.AddPrefix = tokenizer.SentencePiece, true
	case "gpt2":
		v.Kind = tokenizer.ByteLevel
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
	if v.Kind == tokenizer.SentencePiece && len(scores) == 0 {
		return nil, fmt.Errorf("%s is missing", keyScores)
	}
	// Tokens at the end that only fill up the model's vocabulary are left out.
	for len(types) > 0 && types[len(types)-1] == int64(tokenizer.Unused) {
		types = types[:len(types)-1]
		texts = texts[:len(types)]
	}
	for id, text := range texts {
		t := tokenizer.Token{Text: text, Type: tokenizer.Normal}
		if len(scores) > 0 {
			t.Score = scores[id]
		}
		if len(types) > 0 {
			t.Type = tokenizer.Type(types[id])
		}
		v.Tokens = append(v.Tokens, t)
	}
	v.Special, v.Unknown = f.special(len(texts)), f.tokenID(keyUnknown, len(texts))
	if v.Kind == tokenizer.SentencePiece {
		if v.Unknown == tokenizer.None {
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

func (f *File) setMerges(v *tokenizer.Vocabulary) error {
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
	return setPre(v, pre)
}

func cutMerge(m string) (left, right string, ok bool) {
	for i := 1; i < len(m); i++ {
		if m[i] == ' ' {
			return m[:i], m[i+1:], true
		}
	}
	return "", "", false
}

// special reads the special tokens. BOS is put before a text where add_bos_token says
// so; where the key is missing, llama.cpp does it for SentencePiece's.
func (f *File) special(size int) tokenizer.Special {
	s := tokenizer.Special{BOS: f.tokenID(keyBOS, size), PAD: f.tokenID(keyPAD, size), Start: tokenizer.None}
	for _, key := range []string{keyEOS, keyEOT} {
		if id := f.tokenID(key, size); id != tokenizer.None && !s.Ends(id) {
			s.EOS = append(s.EOS, id)
		}
	}
	model, _ := f.Metadata[keyModel].(string)
	add, given := f.Metadata[keyAddBOS].(bool)
	if add || !given && model == "llama" {
		s.Start = s.BOS
	}
	return s
}

func (f *File) tokenID(key string, size int) int32 {
	n, ok := number(f.Metadata[key])
	if !ok || n < 0 || n >= float64(size) {
		return tokenizer.None
	}
	return int32(n)
}
