package tokenizer

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A vocabulary of a smaller model has no trace of the tokens beyond.
func TestWithin(t *testing.T) {
	tok, err := Load("huggingface/testdata/huggingface/llama2-added")
	if err != nil {
		t.Fatal(err)
	}
	v, err := tok.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	v.Special = Special{BOS: 1, EOS: []int32{2, 802}, PAD: 803, Start: 1}
	same, err := v.Within(len(v.Tokens))
	if err != nil || same != v {
		t.Errorf("another vocabulary for a model of as many: %v", err)
	}
	size := 802
	w, err := v.Within(size)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Special{BOS: 1, EOS: []int32{2}, PAD: None, Start: 1}); len(w.Tokens) != size || !reflect.DeepEqual(w.Special, want) {
		t.Errorf("%d tokens, %+v", len(w.Tokens), w.Special)
	}
	if strings.Contains(string(w.Description), "<lr>") || !strings.Contains(string(w.Description), "cab") {
		t.Errorf("description %s", w.Description)
	}
	smaller, err := FromVocabulary(w)
	if err != nil {
		t.Fatal(err)
	}
	if got := smaller.Encode([]byte("<lr>")); len(got) < 2 || slices.Max(got) >= int32(size) {
		t.Errorf("ids %d", got)
	}

	merged := &Vocabulary{Kind: ByteLevel, Special: NoSpecial(), Unknown: None, Merges: [][2]string{{"a", "b"}, {"ab", "c"}, {"b", "c"}}}
	for _, text := range []string{"a", "b", "c", "ab", "bc", "abc"} {
		merged.Tokens = append(merged.Tokens, Token{Text: text, Type: Normal})
	}
	if w, err = merged.Within(5); err != nil || !reflect.DeepEqual(w.Merges, [][2]string{{"a", "b"}, {"b", "c"}}) {
		t.Errorf("merges %q, %v", w.Merges, err)
	}
}

func TestBeyond(t *testing.T) {
	for _, tt := range []struct {
		size int
		want string
	}{
		{300, ""},
		{257, ""},
		{256, `the tokenizer has 257 ids, the model 256: 256 ("<|endoftext|>") has no place in it`},
		{250, "the tokenizer has 257 ids, the model 250: 250 to 256 have no place in it"},
	} {
		if got := Bytes().Beyond(tt.size); got != tt.want {
			t.Errorf("%d: %q, want %q", tt.size, got, tt.want)
		}
	}
}
