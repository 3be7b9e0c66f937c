package sentencepiece

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// WordCounts counts the words that a vocabulary is learnt from. No piece will
// reach over the end of a word.
type WordCounts struct {
	words map[string]*int64
	line  []byte
}

// NewWordCounts returns counts of nothing.
func NewWordCounts() *WordCounts { return &WordCounts{words: make(map[string]*int64)} }

// longestWord in bytes: text without blanks is cut there.
const longestWord = 192

// Add counts the words of a text, line by line: each line begins with a blank,
// as a text does that is encoded.
func (c *WordCounts) Add(text []byte) {
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		if len(line) == 0 {
			continue
		}
		c.line = append(append(c.line[:0], blank...), bytes.ReplaceAll(line, []byte(" "), []byte(blank))...)
		for rest := c.line; len(rest) > 0; {
			n := nextWord(rest)
			c.count(rest[:n])
			rest = rest[n:]
		}
	}
}

func (c *WordCounts) count(word []byte) {
	if n := c.words[string(word)]; n != nil {
		*n++
		return
	}
	one := int64(1)
	c.words[string(word)] = &one
}

// Merge adds the counts of another.
func (c *WordCounts) Merge(other *WordCounts) {
	for word, n := range other.words {
		if sum := c.words[word]; sum != nil {
			*sum += *n
		} else {
			c.words[word] = n
		}
	}
}

// nextWord returns the length of the first word of escaped text: blanks, of
// which the last is left to what follows unless that is a digit; or letters of
// one script, a single digit, or other characters, with at most one blank
// before.
func nextWord(text []byte) int {
	blanks := 0
	for bytes.HasPrefix(text[blanks:], []byte(blank)) {
		blanks += len(blank)
	}
	if blanks == len(text) {
		return blanks
	}
	first, width := kindAt(text[blanks:])
	switch {
	case blanks > len(blank) && first != digit:
		return blanks - len(blank)
	case blanks > 0 && first == digit:
		return blanks
	case first == digit:
		return width
	}
	at := blanks + width
	for at < len(text) && at < longestWord && !bytes.HasPrefix(text[at:], []byte(blank)) {
		kind, width := kindAt(text[at:])
		if kind != first && kind != mark {
			break
		}
		at += width
	}
	return at
}

// Kinds of characters; letters have kinds by script, from letters on.
const (
	other = iota
	digit
	mark // belongs to the letter before it
	letters
)

// scripts are told apart; Japanese mixes three.
var scripts = [][]*unicode.RangeTable{
	{unicode.Latin},
	{unicode.Cyrillic},
	{unicode.Han, unicode.Hiragana, unicode.Katakana},
	{unicode.Arabic},
	{unicode.Greek},
	{unicode.Hangul},
	{unicode.Hebrew},
	{unicode.Devanagari},
	{unicode.Thai},
}

func kindAt(text []byte) (kind, width int) {
	if b := text[0]; b < utf8.RuneSelf {
		switch {
		case isLetter(b):
			return letters, 1
		case b >= '0' && b <= '9':
			return digit, 1
		}
		return other, 1
	}
	r, width := utf8.DecodeRune(text)
	switch {
	case unicode.IsMark(r):
		return mark, width
	case unicode.IsDigit(r):
		return digit, width
	case !unicode.IsLetter(r):
		return other, width
	}
	for i, tables := range scripts {
		if unicode.In(r, tables...) {
			return letters + i, width
		}
	}
	return letters + len(scripts), width
}
