package gguf

import (
	"slices"
	"testing"

	"mobilellm/tokenizer"
)

// Every name is read as words that this program can cut, and written again; a name
// stands once in the table.
func TestPreNames(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range preNames() {
		if seen[name] {
			t.Errorf("%q stands twice", name)
		}
		seen[name] = true
		v := byteLevel()
		v.Merges = [][2]string{{"a", "b"}}
		v.Tokens[256] = tokenizer.Token{Text: "ab", Type: tokenizer.Normal}
		v.Special = tokenizer.NoSpecial()
		if err := setPre(v, name); err != nil {
			t.Fatal(err)
		}
		tok, err := tokenizer.FromVocabulary(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := tok.EncodeOrdinary([]byte("ab1")); !slices.Equal(got, []int32{256, '1'}) {
			t.Errorf("%s: ids %d", name, got)
		}
		again, err := preOf(v)
		if err != nil || !sameWords(again.spellings[0], v.Patterns) || again.flags&ignoreMerges != preNamed(name).flags&ignoreMerges {
			t.Errorf("%s is written as %v (%v)", name, again, err)
		}
	}
	for _, name := range []string{"llama-bpe", "smollm", "qwen2", "gpt-2", "dbrx", "deepseek-v3", "tekken", ""} {
		if !seen[name] {
			t.Errorf("%q is missing", name)
		}
	}
}

// All spellings of one way to cut words can be cut.
func TestPreSpellings(t *testing.T) {
	for _, p := range pres {
		for _, patterns := range p.spellings {
			v := byteLevel()
			v.Patterns, v.IgnoreMerges = patterns, p.flags&ignoreMerges != 0
			v.Merges = [][2]string{{"a", "b"}}
			v.Tokens[256] = tokenizer.Token{Text: "ab", Type: tokenizer.Normal}
			v.Special = tokenizer.NoSpecial()
			if _, err := tokenizer.FromVocabulary(v); err != nil {
				t.Errorf("%s: %v", p.names[0], err)
			}
		}
	}
}

// Llama 3's words have a name for each kind of merging.
func TestPreIgnoreMerges(t *testing.T) {
	for _, tt := range []struct {
		patterns []string
		ignore   bool
		want     string // empty for none
	}{
		{[]string{llama3Words}, true, "llama-bpe"},
		{[]string{llama3Words}, false, "smaug-bpe"},
		{[]string{gpt4Words}, true, "llama-bpe"},
		{[]string{qwen2Words}, false, "qwen2"},
		{[]string{bailingWords}, false, "qwen2"},
		{[]string{qwen2Words}, true, ""},
		{[]string{gpt2Words}, true, ""},
		{[]string{digit, gpt2Words}, false, "smollm"},
		{[]string{gpt2Words, digit}, false, ""},
		{[]string{gpt4oWords}, false, "gpt-4o"},
	} {
		p, err := preOf(&tokenizer.Vocabulary{Patterns: tt.patterns, IgnoreMerges: tt.ignore})
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%q, ignore_merges %v: %s", tt.patterns, tt.ignore, p.names[0])
		case tt.want != "" && (err != nil || p.names[0] != tt.want):
			t.Errorf("%q, ignore_merges %v: %v, want %s", tt.patterns, tt.ignore, err, tt.want)
		}
	}
}
