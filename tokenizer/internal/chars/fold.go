package chars

import (
	"slices"
	"strings"
	"sync"
)

// Fold is the set with all that its characters are when case is ignored.
func (s *Set) Fold() *Set {
	all := s.ranges[:len(s.ranges):len(s.ranges)]
	for _, group := range cases() {
		if !slices.ContainsFunc(group, s.Has) {
			continue
		}
		for _, r := range group {
			all = append(all, Range{r, r})
		}
	}
	return Of(all...)
}

// cases are the groups of characters that are one when case is ignored.
var cases = sync.OnceValue(func() [][]rune {
	groups := map[rune][]rune{}
	for _, step := range caseFold {
		for r := step.first; r <= step.last; r += step.step {
			groups[r+step.distance] = append(groups[r+step.distance], r)
		}
	}
	all := make([][]rune, 0, len(groups))
	for first, others := range groups {
		all = append(all, append(others, first))
	}
	return all
})

// LongFold is a character of the set that is several in lower case, such as ß, if there
// is one. Where case is ignored an expression takes those for it, too.
func (s *Set) LongFold() (r rune, ok bool) {
	for c := range longFolds {
		if s.Has(c) && (!ok || c < r) {
			r, ok = c, true
		}
	}
	return r, ok
}

// OfLongFold is a character, if there is one, whose lower case begins with two
// characters, as that of ß does with ss.
func OfLongFold(a, b rune) (r rune, ok bool) {
	two := string([]rune{Lower(a), Lower(b)})
	for c, text := range longFolds {
		if strings.HasPrefix(text, two) && (!ok || c < r) {
			r, ok = c, true
		}
	}
	return r, ok
}
