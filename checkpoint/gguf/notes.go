package gguf

import (
	"fmt"
	"strings"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/huggingface"
)

// notesOf says in which texts llama.cpp finds other tokens than the tokenizer, which
// the format cannot help. words is of byte-level vocabularies only.
func notesOf(v *tokenizer.Vocabulary, words *pre) (notes []string) {
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	switch {
	case v.NFC:
		note("llama.cpp does not normalise text, the tokenizer does (NFC): letters with separate accents become other tokens there")
	case len(v.CharsMap) > 0:
		note("llama.cpp does not normalise text, the tokenizer does by rules of SentencePiece: what they change becomes other tokens there")
	}
	if v.RemoveExtraBlanks {
		note("llama.cpp keeps extra blanks, which the tokenizer removes")
	}
	if words != nil && words.otherwise != "" {
		note("llama.cpp cuts words otherwise than the tokenizer %s", words.otherwise)
	}
	f := huggingface.File{}
	if v.Description != nil {
		if given, err := huggingface.Parse(v.Description); err == nil {
			f = *given
		}
	}
	if n := missingBytes(v); n > 0 {
		then := "joins nothing over them, the tokenizer does"
		if f.Model.Unknown != nil {
			then = fmt.Sprintf("leaves them out, the tokenizer puts %s", *f.Model.Unknown)
		}
		note("%d bytes have no token: llama.cpp %s", n, then)
	}
	if p := f.PreTokenizer; p != nil && p.Type == "Metaspace" && p.PrependScheme == "first" {
		note("llama.cpp puts a blank behind each special token, the tokenizer only before a text")
	}
	if v.Kind == tokenizer.SentencePiece && v.AddPrefix && v.Description == nil {
		if names := quoted(v.Tokens, func(t tokenizer.Token) bool { return t.Type == tokenizer.UserDefined }); len(names) > 0 {
			note("llama.cpp puts a blank behind %s, the tokenizer only before a text", strings.Join(names, ", "))
		}
	}
	if names := strict(f.AddedTokens, v.Kind == tokenizer.SentencePiece && v.AddPrefix); len(names) > 0 {
		note("llama.cpp finds %s whatever stands around, the tokenizer minds blanks or letters there", strings.Join(names, ", "))
	}
	return notes
}

// missingBytes counts the bytes that a byte-level vocabulary has no token for.
func missingBytes(v *tokenizer.Vocabulary) int {
	if v.Kind != tokenizer.ByteLevel {
		return 0
	}
	known := map[string]bool{}
	for _, t := range v.Tokens {
		if len(t.Text) <= 2 {
			known[t.Text] = true
		}
	}
	missing := 0
	for b := range 256 {
		if !known[huggingface.Printable([]byte{byte(b)})] {
			missing++
		}
	}
	return missing
}

// strict names the added tokens that take blanks around them, that stand for
// themselves between words only, or, where a normalizer puts a blank before a text,
// behind one only.
func strict(added []huggingface.AddedToken, prefixed bool) []string {
	var all []tokenizer.Token
	for _, a := range added {
		if a.LStrip || a.RStrip || a.SingleWord || a.Normalized && prefixed {
			all = append(all, tokenizer.Token{Text: a.Content})
		}
	}
	return quoted(all, func(tokenizer.Token) bool { return true })
}

// quoted are the texts of the first tokens of a kind.
func quoted(tokens []tokenizer.Token, is func(tokenizer.Token) bool) (names []string) {
	const most = 3
	for _, t := range tokens {
		if !is(t) {
			continue
		}
		if len(names) == most {
			return append(names, "…")
		}
		names = append(names, fmt.Sprintf("%q", t.Text))
	}
	return names
}
