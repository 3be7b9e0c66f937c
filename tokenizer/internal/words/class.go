package words

import (
	"cmp"
	"slices"
	"sort"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
)

// class is what the pre-tokenizer needs to know of a character.
type class uint8

const (
	symbol  class = iota // anything else, bytes of broken UTF-8 included
	letter               // \p{L}
	number               // \p{N}
	space                // \s but CR and LF
	newline              // CR, LF
)

type classRange struct {
	first, last rune
	class       class
}

// classRanges are the characters that are no symbols, in order.
var classRanges = func() (all []classRange) {
	lineEnds := chars.Of(chars.Range{Lo: '\n', Hi: '\n'}, chars.Range{Lo: '\r', Hi: '\r'})
	for class, set := range map[class]*chars.Set{
		letter: chars.Category("L"), number: chars.Category("N"), space: chars.Space().And(lineEnds.Not()), newline: lineEnds,
	} {
		for _, r := range set.Ranges() {
			all = append(all, classRange{r.Lo, r.Hi, class})
		}
	}
	slices.SortFunc(all, func(a, b classRange) int { return cmp.Compare(a.first, b.first) })
	return all
}()

var asciiClass = func() (table [utf8.RuneSelf]class) {
	for c := range table {
		table[c] = searchClass(rune(c))
	}
	return table
}()

func searchClass(r rune) class {
	i := sort.Search(len(classRanges), func(i int) bool { return classRanges[i].last >= r })
	if i < len(classRanges) && classRanges[i].first <= r {
		return classRanges[i].class
	}
	return symbol
}

// classAt returns the class of the first character of s and its width in
// bytes; s is not empty.
func classAt(s []byte) (class, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	return wideClassAt(s)
}

func wideClassAt(s []byte) (class, int) {
	r, width := utf8.DecodeRune(s)
	if r == utf8.RuneError && width == 1 {
		return symbol, 1
	}
	return searchClass(r), width
}
