package python

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Space is the class of characters that \s is in Python's re, for Go's regexp.
const Space = `[\t-\r\x1c-\x1f\x{85}\p{Z}]`

// IsSpace is str.isspace of one character.
func IsSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// Strip is str.strip().
func Strip(s string) string { return strings.TrimFunc(s, IsSpace) }

// Lower is str.lower(), which knows sigma at a word's end.
func Lower(s string) string { return cases.Lower(language.Und).String(s) }

// Capitalize is str.capitalize(): all but the first letter become small.
func Capitalize(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return cases.Title(language.Und).String(s[:n]) + Lower(s[n:])
}

// IsAlnum is str.isalnum of one character.
func IsAlnum(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// Punctuation is string.punctuation.
const Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// WithoutPunctuation is a text without the characters of string.punctuation.
func WithoutPunctuation(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(Punctuation, r) {
			return -1
		}
		return r
	}, s)
}
