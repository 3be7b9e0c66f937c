package gguf

import (
	"strings"
	"testing"

	"mobilellm/checkpoint/modeltest"
	"mobilellm/tokenizer"
)

// What llama.cpp does otherwise is said, and nothing of vocabularies where it does not.
func TestNotes(t *testing.T) {
	described := func(v *tokenizer.Vocabulary, stages string) {
		v.Description = []byte(`{"model": {"type": "BPE", "merges": []}, ` + stages + `}`)
	}
	for _, tt := range []struct {
		name   string
		pieces bool
		change func(v *tokenizer.Vocabulary)
		want   string // empty for none
	}{
		{"bytes", false, func(*tokenizer.Vocabulary) {}, ""},
		{"pieces", true, func(*tokenizer.Vocabulary) {}, ""},
		{"NFC", false, func(v *tokenizer.Vocabulary) { v.NFC = true }, "does not normalise text, the tokenizer does (NFC)"},
		{"rules", true, func(v *tokenizer.Vocabulary) { v.CharsMap = []byte{1} }, "by rules of SentencePiece"},
		{"extra blanks", true, func(v *tokenizer.Vocabulary) { v.RemoveExtraBlanks = true }, "keeps extra blanks"},
		{"GPT-4o's words", false, func(v *tokenizer.Vocabulary) { v.Patterns = []string{gpt4oWords} }, "cuts words otherwise than the tokenizer in words with combining marks"},
		{"a byte less", false, func(v *tokenizer.Vocabulary) { v.Tokens[4].Text = "<gone>" }, "1 bytes have no token: llama.cpp joins nothing over them"},
		{"an unknown byte", false, func(v *tokenizer.Vocabulary) {
			v.Tokens[4].Text = "<gone>"
			v.Description = []byte(`{"model": {"type": "BPE", "merges": [], "unk_token": "<a>"}}`)
		}, "leaves them out, the tokenizer puts <a>"},
		{"a prefix once", true, func(v *tokenizer.Vocabulary) {
			described(v, `"pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "first"}`)
		}, "puts a blank behind each special token, the tokenizer only before a text"},
		{"user-defined pieces", true, func(v *tokenizer.Vocabulary) { v.Tokens[270].Type = tokenizer.UserDefined }, `puts a blank behind "i", the tokenizer only before a text`},
		{"a token that eats blanks", false, func(v *tokenizer.Vocabulary) {
			described(v, `"added_tokens": [{"id": 257, "content": "<a>", "rstrip": true}, {"id": 258, "content": "<b>"}]`)
		}, `finds "<a>" whatever stands around`},
		{"many of them", false, func(v *tokenizer.Vocabulary) {
			described(v, `"added_tokens": [{"id": 1, "content": "1", "lstrip": true}, {"id": 2, "content": "2", "single_word": true},
				{"id": 3, "content": "3", "lstrip": true}, {"id": 4, "content": "4", "lstrip": true}]`)
		}, `finds "1", "2", "3", … whatever`},
	} {
		v := modeltest.Vocabulary()
		if !tt.pieces {
			v = byteLevel()
		}
		tt.change(v)
		_, notes, err := tokenizerMetadata(v, len(v.Tokens))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := strings.Join(notes, "\n"); (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, notes, tt.want)
		}
	}
}

// llama.cpp looks for user-defined pieces before it writes blanks as SentencePiece does.
func TestUserDefinedBlanks(t *testing.T) {
	v := modeltest.Vocabulary()
	v.Tokens[270] = tokenizer.Token{Text: "\u2581\u2581", Type: tokenizer.UserDefined}
	list, _, err := tokenizerMetadata(v, len(v.Tokens))
	if err != nil {
		t.Fatal(err)
	}
	f := &File{Metadata: map[string]any{}}
	for _, kv := range list {
		f.Metadata[kv.key] = kv.value
	}
	if got := f.Metadata[keyTokens].([]string)[270]; got != "  " {
		t.Errorf("written as %q", got)
	}
	if got := readText(v.Kind, "  ", tokenizer.UserDefined); got != v.Tokens[270].Text {
		t.Errorf("read as %q", got)
	}
	v.OddBlanks = true
	if _, _, err := tokenizerMetadata(v, len(v.Tokens)); err == nil || !strings.Contains(err.Error(), "blanks stand behind words") {
		t.Errorf("blanks behind words: %v", err)
	}
}
