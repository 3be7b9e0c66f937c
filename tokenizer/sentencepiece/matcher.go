package sentencepiece

import (
	"bytes"
	"cmp"
	"slices"
)

// matcher finds the longest of a set of texts that opens another.
type matcher struct {
	byFirst [256][][]byte // longest first
}

// newMatcher is nil for no texts.
func newMatcher(texts []string) *matcher {
	m := new(matcher)
	count := 0
	for _, text := range texts {
		if text != "" {
			m.byFirst[text[0]] = append(m.byFirst[text[0]], []byte(text))
			count++
		}
	}
	if count == 0 {
		return nil
	}
	for _, group := range m.byFirst {
		slices.SortStableFunc(group, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	}
	return m
}

// match returns the length of the longest text that opens s, 0 for none.
func (m *matcher) match(s []byte) int {
	if m == nil || len(s) == 0 {
		return 0
	}
	for _, text := range m.byFirst[s[0]] {
		if bytes.HasPrefix(s, text) {
			return len(text)
		}
	}
	return 0
}
