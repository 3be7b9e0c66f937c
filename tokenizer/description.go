package tokenizer

import (
	"bytes"
	"encoding/json"
	"reflect"

	"mobilellm/tokenizer/huggingface"
)

// describe is a tokenizer.json without what a [Vocabulary] holds itself: tokens,
// merges and what opens a text. What is left says how text is normalised and cut, and
// what the added tokens do to the text around them.
func describe(f *huggingface.File) ([]byte, error) {
	d := *f
	d.Model.Vocab, d.Model.Merges = nil, nil
	d.Truncation, d.Padding, d.PostProcessor = nil, nil, nil
	return json.Marshal(d)
}

// setDescription keeps what the vocabulary alone would not bring back. Of pieces that
// is the kind itself, which for broken UTF-8 differs from SentencePiece's.
func (v *Vocabulary) setDescription(f *huggingface.File) error {
	source, err := describe(f)
	if err != nil {
		return err
	}
	plain, err := describe(v.file())
	if err == nil && (v.Kind == SentencePiece || !bytes.Equal(source, plain)) {
		v.Description = source
	}
	return err
}

// Describe takes the [Vocabulary.Description] of another program's file, if it says
// the same as the vocabulary, and says whether it did: the same tokens of the same
// types, and words that same, which compares two lists of patterns, takes for equal.
func (v *Vocabulary) Describe(description []byte, same func(a, b []string) bool) bool {
	f, err := v.described(description)
	if err != nil {
		return false
	}
	w, err := vocabularyOf(f)
	if err != nil || w.Kind != v.Kind || w.IgnoreMerges != v.IgnoreMerges || w.AddPrefix != v.AddPrefix ||
		!same(w.Patterns, v.Patterns) || !reflect.DeepEqual(w.Merges, v.Merges) || len(w.Tokens) != len(v.Tokens) {
		return false
	}
	for id, t := range w.Tokens {
		if u := v.Tokens[id]; t.Text != u.Text || t.Type != u.Type {
			return false
		}
	}
	v.Description, v.Patterns, v.NFC = w.Description, w.Patterns, w.NFC
	return true
}

// described is the tokenizer.json of the vocabulary with such a description.
func (v *Vocabulary) described(description []byte) (*huggingface.File, error) {
	f, err := huggingface.Parse(description)
	if err != nil {
		return nil, err
	}
	plain := v.file()
	if plain == nil {
		return nil, ErrKind // rules of SentencePiece's, which have no place in such a file
	}
	f.Model.Vocab, f.Model.Merges, f.PostProcessor = plain.Model.Vocab, plain.Model.Merges, plain.PostProcessor
	for _, t := range v.Tokens {
		if t.Type == Unused {
			delete(f.Model.Vocab, t.Text) // an id that the file skipped
		}
	}
	return f, nil
}
