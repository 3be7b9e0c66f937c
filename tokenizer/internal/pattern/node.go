package pattern

import "mobilellm/tokenizer/internal/chars"

// node is a part of an expression.
type node interface {
	// minWidth is how many characters the part takes at least; only 0 or more counts.
	minWidth() int
}

type (
	// char is one character of a set.
	char struct{ set *chars.Set }
	// sequence is its parts one after the other, oneOf the first of them that fits.
	sequence []node
	oneOf    []node
	// repeat is the part from min to max times, max -1 for any number.
	repeat struct {
		inner    node
		min, max int
		lazy     bool
	}
	// atomic is the part's first match, and no other.
	atomic struct{ inner node }
	// look is whether the part matches behind or before the place.
	look struct {
		inner          node
		negate, behind bool
	}
	// place is a condition on where the place lies.
	place int
)

const (
	lineStart  place = iota // ^
	lineEnd                 // $
	textStart               // \A
	textEnd                 // \z
	lastLine                // \Z: the end, or before a line feed that ends the text
	wordEdge                // \b
	noWordEdge              // \B
)

// reduced is the same repetition without one that is directly within it, where both are
// endless and greedy: (?:a*)* is a*.
func (r repeat) reduced() repeat {
	inner, ok := r.inner.(repeat)
	if !ok || r.lazy || inner.lazy || r.max >= 0 || inner.max >= 0 || r.min > 1 || inner.min > 1 {
		return r
	}
	return repeat{inner: inner.inner, min: min(r.min, inner.min), max: -1}
}

func (char) minWidth() int { return 1 }

func (s sequence) minWidth() (sum int) {
	for _, n := range s {
		sum = min(sum+n.minWidth(), 1)
	}
	return sum
}

func (o oneOf) minWidth() int {
	least := o[0].minWidth()
	for _, n := range o[1:] {
		least = min(least, n.minWidth())
	}
	return least
}

func (r repeat) minWidth() int {
	if r.min == 0 {
		return 0
	}
	return r.inner.minWidth()
}

func (a atomic) minWidth() int { return a.inner.minWidth() }
func (look) minWidth() int     { return 0 }
func (place) minWidth() int    { return 0 }
