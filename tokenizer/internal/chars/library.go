package chars

// WordBoundary are the characters of words beside which no added token with single_word
// is found.
func WordBoundary() *Set { return named(library, "word") }

// Number is what the pre-tokenizer Digits cuts out.
func Number() *Set { return named(library, "number") }

// Punctuation is what the pre-tokenizer of that name cuts out.
func Punctuation() *Set { return named(library, "punctuation") }

// Accent are the marks that the normalizer StripAccents takes away.
func Accent() *Set { return named(library, "accent") }

// Newer are the characters that decompose, compose or are marks by now, and did not
// yet when the library's normalizers were written.
func Newer() *Set { return named(library, "newer") }
