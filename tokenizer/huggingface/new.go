package huggingface

import (
	"errors"
	"fmt"
)

// New makes a tokenizer of a file. A part that it cannot apply is an error.
func New(f *File) (*Tokenizer, error) {
	if err := f.Model.unsupported(); err != nil {
		return nil, err
	}
	if f.Model.Type == BPE && f.Model.Vocab == nil {
		return nil, errors.New("model.vocab is missing")
	}
	t := &Tokenizer{file: f}
	var err error
	if t.normalizer, err = newNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	if t.words, err = newPreTokenizer(f.PreTokenizer); err != nil {
		return nil, err
	}
	if t.normalizer.inserted && t.words.level {
		return nil, fmt.Errorf("pre_tokenizer ByteLevel: %w", errInserted)
	}
	if err := t.setModel(f); err != nil {
		return nil, err
	}
	tokens, err := f.tokens()
	if err != nil {
		return nil, err
	}
	t.size = len(tokens)
	if err := t.setAdded(f.AddedTokens, tokens); err != nil {
		return nil, err
	}
	t.decoding, err = newDecoding(f.Decoder, tokens)
	return t, err
}

func (m *Model) unsupported() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrKind, fmt.Sprintf(format, args...))
	}
	switch {
	case m.Type != BPE && m.Type != Unigram:
		return bad("model.type %q, want %q or %q", m.Type, BPE, Unigram)
	case m.Dropout != nil && *m.Dropout != 0:
		return bad("model.dropout %g", *m.Dropout)
	case m.Prefix != nil && *m.Prefix != "":
		return bad("model.continuing_subword_prefix %q", *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return bad("model.end_of_word_suffix %q", *m.Suffix)
	}
	return nil
}

func (t *Tokenizer) setModel(f *File) error {
	if f.Model.Type == Unigram {
		u, err := newUnigram(&f.Model)
		if err != nil {
			return err
		}
		t.model = u
		if t.words.bytes { // their alphabet is text to it
			t.words.bytes = false
			t.words.stages = append(t.words.stages, printable)
		}
		return nil
	}
	special := make(map[string]bool)
	for _, a := range f.AddedTokens {
		special[a.Content] = a.Special
	}
	b, err := newBPE(&f.Model, t.words.bytes, special)
	if err != nil {
		return err
	}
	t.model = b
	// Where nothing but Metaspace has cut a text, or nothing at all, its words are long.
	all := sequence(f.PreTokenizer, pretokenizersOf)
	if len(all) == 0 || len(all) == 1 && all[0].Type == "Metaspace" {
		if t.joints = newJoints(&f.Model, &b.alphabet); t.joints != nil {
			t.words.stages = append(t.words.stages, atJoints(t.joints))
		}
	}
	return nil
}

// maxID bounds the ids of a file, which size tables.
const maxID = 1 << 22

// token is the text of an id in the file.
type token struct {
	text  string
	known bool
}

// checkIDs refuses ids that no table has a place for.
func (f *File) checkIDs() error {
	outside := func(id int32) bool { return id < 0 || id > maxID }
	if text, bad := f.Model.Vocab.First(func(_ string, id int32) bool { return outside(id) }); bad {
		return fmt.Errorf("token %q has id %d", text, f.Model.Vocab[text])
	}
	for _, a := range f.AddedTokens {
		if outside(a.ID) {
			return fmt.Errorf("added token %q has id %d", a.Content, a.ID)
		}
	}
	return nil
}

// tokens lists the texts by id.
func (f *File) tokens() ([]token, error) {
	if err := f.checkIDs(); err != nil {
		return nil, err
	}
	size := f.Model.size()
	for _, id := range f.Model.Vocab {
		size = max(size, int(id)+1)
	}
	for _, a := range f.AddedTokens {
		size = max(size, int(a.ID)+1)
	}
	tokens := make([]token, size)
	shared := false
	for text, id := range f.Model.Vocab {
		shared = shared || tokens[id].known
		if !tokens[id].known || text < tokens[id].text {
			tokens[id] = token{text, true}
		}
	}
	if shared {
		text, _ := f.Model.Vocab.First(func(text string, id int32) bool { return tokens[id].text != text })
		id := f.Model.Vocab[text]
		return nil, fmt.Errorf("tokens %q and %q share id %d", tokens[id].text, text, id)
	}
	for id, p := range f.Model.Pieces {
		tokens[id] = token{p.Text, true} // of several with one text each
	}
	return tokens, nil
}

// setAdded sorts the added tokens into those that are looked for in the text and those
// that are looked for, normalized themselves, in normalized text, and writes their texts
// to tokens.
func (t *Tokenizer) setAdded(added []AddedToken, tokens []token) error {
	t.texts = make(map[string]int32, len(added))
	var plain, normalized []AddedToken
	for _, a := range added {
		t.texts[a.Content] = a.ID
		if a.Normalized {
			a.Content = string(t.normalizer.apply(normal{text: []byte(a.Content), opens: true}).text)
			normalized = append(normalized, a)
		} else {
			plain = append(plain, a)
		}
		tokens[a.ID] = token{a.Content, true} // normalized, as the library has it
	}
	var err1, err2 error
	t.plain, err1 = newAddedTokens(plain)
	t.normalized, err2 = newAddedTokens(normalized)
	return errors.Join(err1, err2)
}
