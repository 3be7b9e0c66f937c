package gguf

import (
	"fmt"
	"io/fs"

	"mobilellm/tokenizer"
)

// HasTokenizer says whether the file brings a tokenizer.
func (f *File) HasTokenizer() bool {
	model, _ := f.Metadata[keyModel].(string)
	return model != "" && model != "no_vocab" && model != "none"
}

// ModelTokens are the special tokens of a model of so many, those of a model without a
// tokenizer where there is none.
func (f *File) ModelTokens(vocab int) tokenizer.ModelTokens {
	s := tokenizer.NoSpecial()
	if f.HasTokenizer() {
		s = f.special(vocab)
	}
	return tokenizer.ModelTokens{BOS: s.BOS, EOS: s.EOS, PAD: s.PAD}
}

// Tokenizer makes the file's tokenizer. Its error wraps [fs.ErrNotExist] where the file
// has none, and names the file.
func (f *File) Tokenizer() (*tokenizer.Tokenizer, error) {
	if !f.HasTokenizer() {
		return nil, fmt.Errorf("%s has no tokenizer: %w", f.name, fs.ErrNotExist)
	}
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
	case modelPieces:
		v.Kind, v.AddPrefix = tokenizer.SentencePiece, true
	case modelBytes:
		v.Kind = tokenizer.ByteLevel
	default:
		return nil, fmt.Errorf("%s %q is not supported: only %s and %s are", keyModel, model, modelPieces, modelBytes)
	}
	if err := f.setTokens(v); err != nil {
		return nil, err
	}
	v.Special, v.Unknown = f.special(len(v.Tokens)), f.tokenID(keyUnknown, len(v.Tokens))
	v.ChatTemplate, _ = f.Metadata[keyTemplate].(string)
	if v.Kind == tokenizer.SentencePiece {
		f.setPieces(v)
	} else if err := f.setMerges(v); err != nil {
		return nil, err
	}
	if description, ok := f.Metadata[keyDescription].(string); ok {
		v.Describe([]byte(description), sameWords) // the keys that llama.cpp reads go before it
	}
	return v, nil
}

// setTokens reads the list of tokens. Those at the end that only fill up the model's
// vocabulary are left out.
func (f *File) setTokens(v *tokenizer.Vocabulary) error {
	texts, ok := f.Metadata[keyTokens].([]string)
	if !ok {
		return fmt.Errorf("%s is missing", keyTokens)
	}
	scores, _ := f.Metadata[keyScores].([]float32)
	types, _ := f.Metadata[keyTypes].([]int64)
	if len(scores) != 0 && len(scores) != len(texts) || len(types) != 0 && len(types) != len(texts) {
		return fmt.Errorf("%d tokens have %d scores and %d types", len(texts), len(scores), len(types))
	}
	if v.Kind == tokenizer.SentencePiece && len(scores) == 0 {
		return fmt.Errorf("%s is missing", keyScores)
	}
	for len(types) > 0 && types[len(types)-1] == int64(tokenizer.Unused) {
		types = types[:len(types)-1]
		texts = texts[:len(types)]
	}
	for id, text := range texts {
		t := tokenizer.Token{Text: text, Type: tokenizer.Normal}
		if len(scores) > 0 && v.Kind == tokenizer.SentencePiece {
			t.Score = scores[id]
		}
		if len(types) > 0 {
			t.Type = tokenizer.Type(types[id])
			t.Text = readText(v.Kind, text, t.Type)
		}
		v.Tokens = append(v.Tokens, t)
	}
	return nil
}

func (f *File) setPieces(v *tokenizer.Vocabulary) {
	if v.Unknown == tokenizer.None {
		v.Unknown = 0 // llama.cpp's default
	}
	if prefix, ok := f.Metadata[keyAddSpace].(bool); ok {
		v.AddPrefix = prefix
	}
	v.RemoveExtraBlanks, _ = f.Metadata[keyBlanks].(bool)
	if rules, ok := f.Metadata[keyCharsMap].([]int64); ok {
		v.CharsMap = make([]byte, len(rules))
		for i, b := range rules {
			v.CharsMap[i] = byte(b)
		}
	}
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
	name, _ := f.Metadata[keyPre].(string)
	if p := preNamed(name); len(merges) == 0 && (p == nil || p.flags&ignoreMerges == 0) {
		return nil // bytes alone, for which words do not matter
	}
	return setPre(v, name)
}

func cutMerge(m string) (left, right string, ok bool) {
	for i := 1; i < len(m); i++ {
		if m[i] == ' ' {
			return m[:i], m[i+1:], true
		}
	}
	return "", "", false
}
