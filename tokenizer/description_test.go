package tokenizer

import (
	"path/filepath"
	"slices"
	"testing"
)

// A tokenizer.json that went through a vocabulary and its description gives the same
// ids, whatever its added tokens do to the text around them.
func TestDescription(t *testing.T) {
	dirs, err := filepath.Glob("huggingface/testdata/huggingface/*")
	if err != nil {
		t.Fatal(err)
	}
	described := 0
	for _, dir := range dirs {
		tok, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		v, err := tok.Vocabulary()
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		w := *v
		w.Description, w.NFC = nil, false // as a file of another format may have it
		if v.Description != nil {
			described++
			if !w.Describe(v.Description, slices.Equal) {
				t.Errorf("%s: the description does not fit its own vocabulary", dir)
				continue
			}
		}
		again, err := FromVocabulary(&w)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		for _, text := range descriptionTexts(v) {
			if got, want := again.Encode([]byte(text)), tok.Encode([]byte(text)); !slices.Equal(got, want) {
				t.Errorf("%s: %q became %v, want %v", dir, text, got, want)
			}
		}
	}
	if described < 5 {
		t.Errorf("%d descriptions: there is little to test", described)
	}
}

func descriptionTexts(v *Vocabulary) []string {
	texts := []string{"", "the quick  brown\tfox 1234", "e\u0301 é", "  12", "It's\n\nWE'RE", "日本 🙂"}
	for _, t := range v.Tokens {
		if t.Type == Control || t.Type == UserDefined {
			texts = append(texts, "a"+t.Text+"b", " a "+t.Text+"  b ", t.Text+t.Text)
		}
	}
	return texts
}

// A description that says something else than the vocabulary is not taken.
func TestDescribeOther(t *testing.T) {
	tok, err := Load("huggingface/testdata/huggingface/nfc")
	if err != nil {
		t.Fatal(err)
	}
	v, err := tok.Vocabulary()
	if err != nil || v.Description == nil {
		t.Fatalf("%v, %q", err, v.Description)
	}
	for name, change := range map[string]func(v *Vocabulary){
		"a token's type": func(v *Vocabulary) {
			v.Tokens = slices.Clone(v.Tokens)
			i := slices.IndexFunc(v.Tokens, func(t Token) bool { return t.Type == Control })
			v.Tokens[i].Type = Normal
		},
		"the words":     func(v *Vocabulary) { v.Patterns = []string{"x+"} },
		"ignore_merges": func(v *Vocabulary) { v.IgnoreMerges = !v.IgnoreMerges },
		"a blank":       func(v *Vocabulary) { v.AddPrefix = !v.AddPrefix },
	} {
		w := *v
		w.Description = nil
		change(&w)
		if w.Describe(v.Description, slices.Equal) || w.Description != nil {
			t.Errorf("%s: taken all the same", name)
		}
	}
	w := *v
	w.Description = nil
	if w.Describe([]byte("{"), slices.Equal) || w.Describe([]byte(`{"model":{"type":"Unigram"}}`), slices.Equal) {
		t.Error("a broken description is taken")
	}
}
