package chars

import "sync"

// What the library's own code asks of characters.
var (
	// WordBoundary are the characters of words beside which no added token with
	// single_word is found, and \w of the pre-tokenizer Whitespace.
	WordBoundary = sync.OnceValue(func() *Set { return named(library, "word") })
	// Number is what the pre-tokenizer Digits cuts out.
	Number = sync.OnceValue(func() *Set { return named(library, "number") })
	// Punctuation is what the pre-tokenizer of that name cuts out.
	Punctuation = sync.OnceValue(func() *Set { return named(library, "punctuation") })
	// Accent are the marks that the normalizer StripAccents takes away.
	Accent = sync.OnceValue(func() *Set { return named(library, "accent") })
	// Newer are the characters that decompose, compose or are marks by now, and did not
	// yet when the library's normalizers were written.
	Newer = sync.OnceValue(func() *Set { return named(library, "newer") })
)
