package chars

import "sort"

// steps are ranges of characters, in order, that become others.
type steps []struct {
	first, last, step rune // of the characters
	distance          rune // to the other
}

// of is what a character becomes, itself where it is in no range.
func (s steps) of(r rune) rune {
	i := sort.Search(len(s), func(i int) bool { return s[i].last >= r })
	if i < len(s) && s[i].first <= r && (r-s[i].first)%s[i].step == 0 {
		return r + s[i].distance
	}
	return r
}

// DottedI is the one character whose lower case is two, [DottedILower].
const (
	DottedI      = 'İ'
	DottedILower = "i\u0307"
)

// Lower is the lower case of a character by itself: that of Σ is always σ.
func Lower(r rune) rune {
	if r < 0x80 {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return lowerCase.of(r)
}
