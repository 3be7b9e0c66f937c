package gguf

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"mobilellm/checkpoint/modeltest"
	"mobilellm/tokenizer"
)

// byteLevel is a vocabulary of all bytes and four control tokens.
func byteLevel() *tokenizer.Vocabulary {
	v, err := tokenizer.Bytes().Vocabulary()
	if err != nil {
		panic(err)
	}
	for _, text := range []string{"<a>", "<b>", "<c>"} {
		v.Tokens = append(v.Tokens, tokenizer.Token{Text: text, Type: tokenizer.Control})
	}
	return v
}

// Every combination of special tokens comes back, and llama.cpp never takes token 11.
func TestSpecialRoundTrip(t *testing.T) {
	const none = tokenizer.None
	for _, tt := range []struct {
		special  tokenizer.Special
		bos, eos uint32 // as llama.cpp has them
		more     []uint32
		opens    bool
		note     string
	}{
		{tokenizer.Special{BOS: 257, EOS: []int32{258}, PAD: 259, Start: 257}, 257, 258, []uint32{258}, true, ""},
		{tokenizer.Special{BOS: 257, EOS: []int32{258}, PAD: none, Start: none}, 257, 258, []uint32{258}, false, ""},
		{tokenizer.Special{BOS: 257, EOS: []int32{258}, PAD: none, Start: 258}, 258, 258, []uint32{258}, true, ""},
		{tokenizer.Special{BOS: none, EOS: []int32{258}, PAD: none, Start: none}, 258, 258, []uint32{258}, false, ""},
		{tokenizer.Special{BOS: none, EOS: []int32{258}, PAD: none, Start: 258}, 258, 258, []uint32{258}, true, ""},
		{tokenizer.Special{BOS: 256, EOS: []int32{256, 257}, PAD: 256, Start: 256}, 256, 256, []uint32{257}, true, ""},
		{tokenizer.Special{BOS: none, EOS: []int32{256, 257, 5}, PAD: none, Start: none}, 256, 256, []uint32{257, 5}, false, ""},
		{tokenizer.Special{BOS: none, EOS: []int32{256, 257, 258, 259, 9}, PAD: none, Start: none}, 256, 256, []uint32{257, 258}, false, "it goes on after [259 9]"},
		{tokenizer.Special{BOS: none, EOS: nil, PAD: none, Start: none}, 255, 255, []uint32{255}, false, `gets 255 ("ÿ"), which no text comes to`},
		{tokenizer.Special{BOS: 257, EOS: nil, PAD: 259, Start: 257}, 257, 259, []uint32{259}, true, `gets 259 ("<c>")`},
	} {
		c := modeltest.Config()
		v := byteLevel()
		v.Special = tt.special
		c.VocabSize = len(v.Tokens)
		m := sample(c, 1)
		m.Vocabulary = v
		raw := written(t, m, F32)
		f, err := parsedFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		eots := []uint32{}
		for _, key := range []string{keyEOT, keyEOM} {
			if id, ok := f.Metadata[key].(uint32); ok {
				eots = append(eots, id)
			}
		}
		if f.Metadata[keyBOS] != tt.bos || f.Metadata[keyEOS] != tt.eos || !slices.Equal(eots, tt.more) || f.Metadata[keyAddBOS] != tt.opens {
			t.Errorf("%+v: BOS %v, EOS %v %d, add %v", tt.special, f.Metadata[keyBOS], f.Metadata[keyEOS], eots, f.Metadata[keyAddBOS])
		}
		if _, notes, err := tokenizerMetadata(v, c.VocabSize); err != nil || !strings.Contains(strings.Join(notes, "\n"), tt.note) || tt.note == "" && len(notes) > 0 {
			t.Errorf("%+v: notes %q, want %q (%v)", tt.special, notes, tt.note, err)
		}
		if got := f.special(c.VocabSize); !reflect.DeepEqual(got, tt.special) {
			t.Errorf("%+v came back as %+v", tt.special, got)
		}
	}
}

// Without keys it is what llama.cpp takes, but for token 11.
func TestSpecialDefaults(t *testing.T) {
	pieces := map[string]any{keyModel: modelPieces, keyTypes: []int64{2, 3, 3, 6}}
	normal := map[string]any{keyModel: modelPieces, keyTypes: []int64{2, 1, 1, 6}}
	for _, tt := range []struct {
		name     string
		metadata map[string]any
		want     tokenizer.Special
	}{
		{"pieces", pieces, tokenizer.Special{BOS: 1, EOS: []int32{2}, PAD: -1, Start: 1}},
		{"pieces that are none", normal, tokenizer.NoSpecial()},
		{"bytes", map[string]any{keyModel: modelBytes, keyPre: "gpt-2"}, tokenizer.NoSpecial()},
		{"bytes with Llama 3's words", map[string]any{keyModel: modelBytes, keyPre: "llama-v3", keyBOS: uint32(7)}, tokenizer.Special{BOS: 7, PAD: -1, Start: 7}},
		{"bytes with GLM's", map[string]any{keyModel: modelBytes, keyPre: "glm4", keyBOS: uint32(7)}, tokenizer.Special{BOS: 7, PAD: -1, Start: -1}},
		{"beyond", map[string]any{keyModel: modelBytes, keyEOS: uint32(99), keyPAD: uint32(99)}, tokenizer.NoSpecial()},
	} {
		f := &File{Metadata: tt.metadata}
		if got := f.special(20); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
