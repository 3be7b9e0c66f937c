package gguf

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/huggingface"
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

// All spellings of one way to cut words cut alike: with merges of any two characters
// of an alphabet, ids show each boundary.
func TestPreSpellings(t *testing.T) {
	const alphabet = " \n\r\ta1'sSl.,(é日"
	r := rand.New(rand.NewPCG(1, 2))
	var texts [][]byte
	for range 3000 {
		text := []rune{}
		for range 1 + r.IntN(12) {
			text = append(text, []rune(alphabet)[r.IntN(utf8.RuneCountInString(alphabet))])
		}
		texts = append(texts, []byte(string(text)))
	}
	for _, p := range pres {
		var first *tokenizer.Tokenizer
		for i, patterns := range p.spellings {
			v := joining(alphabet)
			v.Patterns, v.IgnoreMerges = patterns, p.flags&ignoreMerges != 0
			tok, err := tokenizer.FromVocabulary(v)
			if err != nil {
				t.Errorf("%s: %v", p.names[0], err)
				continue
			}
			if i == 0 {
				first = tok
				continue
			}
			for _, text := range texts {
				if got, want := tok.EncodeOrdinary(text), first.EncodeOrdinary(text); !slices.Equal(got, want) {
					t.Errorf("%s: %q is cut otherwise by %q: %d, want %d", p.names[0], text, patterns, got, want)
					break
				}
			}
		}
	}
}

// joining is a vocabulary of bytes that merges any two of an alphabet's.
func joining(alphabet string) *tokenizer.Vocabulary {
	v := byteLevel()
	v.Special = tokenizer.NoSpecial()
	v.Tokens = v.Tokens[:256]
	for _, a := range []byte(alphabet) {
		for _, b := range []byte(alphabet) {
			pair := [2]string{huggingface.Printable([]byte{a}), huggingface.Printable([]byte{b})}
			if !slices.Contains(v.Merges, pair) {
				v.Merges = append(v.Merges, pair)
				v.Tokens = append(v.Tokens, tokenizer.Token{Text: pair[0] + pair[1], Type: tokenizer.Normal})
			}
		}
	}
	return v
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
