package chars

import (
	"slices"
	"sort"
	"unicode/utf8"
)

// Range is the characters from Lo to Hi, both included.
type Range struct{ Lo, Hi rune }

// Set is a set of characters; the zero value is empty.
type Set struct {
	ranges []Range // in order, with a gap between each two
	ascii  [utf8.RuneSelf]bool
}

// Of is the set of what lies in any of the ranges.
func Of(ranges ...Range) *Set {
	ordered := slices.Clone(ranges)
	slices.SortFunc(ordered, func(a, b Range) int { return int(a.Lo - b.Lo) })
	s := &Set{}
	for _, r := range ordered {
		if n := len(s.ranges); n > 0 && r.Lo <= s.ranges[n-1].Hi+1 {
			s.ranges[n-1].Hi = max(s.ranges[n-1].Hi, r.Hi)
			continue
		}
		s.ranges = append(s.ranges, r)
	}
	for _, r := range s.ranges {
		for c := r.Lo; c <= min(r.Hi, utf8.RuneSelf-1); c++ {
			s.ascii[c] = true
		}
	}
	return s
}

// Has says whether a character is in the set.
func (s *Set) Has(r rune) bool {
	if r < utf8.RuneSelf {
		return s.ascii[r]
	}
	i := sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].Hi >= r })
	return i < len(s.ranges) && s.ranges[i].Lo <= r
}

// Ranges are what the set is made of, in order.
func (s *Set) Ranges() []Range { return s.ranges }

// Union is what is in any of the sets.
func Union(sets ...*Set) *Set {
	var all []Range
	for _, s := range sets {
		all = append(all, s.ranges...)
	}
	return Of(all...)
}

// Not is what is not in the set.
func (s *Set) Not() *Set {
	var gaps []Range
	at := rune(0)
	for _, r := range s.ranges {
		if at < r.Lo {
			gaps = append(gaps, Range{at, r.Lo - 1})
		}
		at = r.Hi + 1
	}
	if at <= utf8.MaxRune {
		gaps = append(gaps, Range{at, utf8.MaxRune})
	}
	return Of(gaps...)
}

// And is what is in both sets.
func (s *Set) And(t *Set) *Set { return Union(s.Not(), t.Not()).Not() }
