package chars

import (
	"sync"
	"unicode/utf8"
)

// clusterSets are what [Cluster] asks of a character.
type clusterSets struct {
	attached, spacing, control, prepended, pictographic, consonant, linker *Set
}

var clusters = sync.OnceValue(func() *clusterSets {
	set := func(name string) *Set { return named(graphemes, name) }
	return &clusterSets{set("attached"), set("spacing"), set("control"), set("prepended"), set("pictographic"), set("consonant"), set("linker")}
})

const (
	joiner    = '\u200d'
	nonJoiner = '\u200c'
)

// Cluster is the length in bytes of the extended grapheme cluster that opens a text that
// is not empty, by rules GB3 to GB11 of Unicode Standard Annex 29. Regional indicators
// stand alone: the library looks at no cluster of more than 5 bytes as a whole.
func Cluster(text []byte) int {
	c := clusters()
	before, at := utf8.DecodeRune(text)
	if before == '\r' && at < len(text) && text[at] == '\n' {
		return at + 1
	}
	if c.control.Has(before) {
		return at
	}
	pictograph := c.pictographic.Has(before) // and nothing but extending characters since
	consonant := c.consonant.Has(before)     // likewise
	linked := false
	for at < len(text) {
		r, width := utf8.DecodeRune(text[at:])
		switch {
		case c.control.Has(r):
			return at
		case c.attached.Has(r):
			linked = linked || c.linker.Has(r)
			extends := r == joiner || !c.spacing.Has(r)
			pictograph = pictograph && extends && before != joiner
			consonant = consonant && extends && r != nonJoiner
		case c.prepended.Has(before), hangul(before, r):
			pictograph, consonant, linked = c.pictographic.Has(r), c.consonant.Has(r), false
		case before == joiner && pictograph && c.pictographic.Has(r):
		case consonant && linked && c.consonant.Has(r):
			linked = false
		default:
			return at
		}
		before = r
		at += width
	}
	return at
}

// hangul says whether two characters belong to one syllable.
func hangul(a, b rune) bool {
	const (
		none = iota
		leading
		vowel
		trailing
		syllable       // LV
		closedSyllable // LVT
	)
	kind := func(r rune) int {
		switch {
		case r >= 0x1100 && r <= 0x115f, r >= 0xa960 && r <= 0xa97c:
			return leading
		case r >= 0x1160 && r <= 0x11a7, r >= 0xd7b0 && r <= 0xd7c6:
			return vowel
		case r >= 0x11a8 && r <= 0x11ff, r >= 0xd7cb && r <= 0xd7fb:
			return trailing
		case r >= 0xac00 && r <= 0xd7a3 && (r-0xac00)%28 == 0:
			return syllable
		case r >= 0xac00 && r <= 0xd7a3:
			return closedSyllable
		}
		return none
	}
	switch k := kind(b); kind(a) {
	case leading:
		return k == leading || k == vowel || k == syllable || k == closedSyllable
	case vowel, syllable:
		return k == vowel || k == trailing
	case trailing, closedSyllable:
		return k == trailing
	}
	return false
}
