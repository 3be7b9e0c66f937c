package data

import (
	"fmt"
	"slices"
)

// mark is how far a corpus reaches.
type mark struct {
	tokens    int64
	segments  int
	docs      int
	textBytes int64
}

func (m *Memory) mark() mark { return mark{m.tokens, len(m.segments), len(m.docs), m.textBytes} }

// splitTokens moves the last documents of what was added to the training side
// since before to the held-out side: about the given fraction of the tokens,
// as much as 16 MB of text. Tokens are cut where there is one document only.
func (set *Set) splitTokens(before mark, fraction float64, name string) error {
	m := set.Train
	tokens, text := m.tokens-before.tokens, m.textBytes-before.textBytes
	if text > 0 {
		fraction = min(fraction, float64(maxHeldoutBytes)/float64(text))
	}
	target := m.tokens - max(int64(fraction*float64(tokens)), 1)
	docs := m.docs[before.docs:]
	at, _ := slices.BinarySearch(docs, target)
	cut := target // inside the only document
	switch {
	case at < len(docs):
		cut = docs[at]
	case len(docs) > 1:
		cut = docs[len(docs)-1]
	}
	if cut <= before.tokens || cut >= m.tokens {
		return fmt.Errorf("data: %s: %d tokens are too few to hold any out\nhint: name held-out text in data.heldout", name, tokens)
	}
	aside := m.TextBytes(cut, m.tokens)
	held := newMemoryOf(m)
	held.textBytes = aside
	held.print = fmt.Sprintf("%s from %d", m.print, cut)
	for i := before.docs; i < len(m.docs); i++ {
		if m.docs[i] >= cut {
			held.docs = append(held.docs, m.docs[i]-cut)
		}
	}
	if len(held.docs) == 0 {
		held.docs = []int64{0}
	}
	kept := m.segments[:before.segments:before.segments]
	for _, s := range m.segments[before.segments:] {
		head, tail := s.cut(cut - s.at)
		if head.len() > 0 {
			kept = append(kept, head)
		}
		if tail.len() > 0 {
			held.add(tail)
		}
	}
	first, _ := slices.BinarySearch(m.docs, cut)
	m.segments, m.tokens, m.docs = kept, cut, m.docs[:first]
	m.textBytes -= aside
	set.Heldout.addCorpus(held)
	return nil
}

// newMemoryOf is an empty corpus of the same tokenizer.
func newMemoryOf(m *Memory) *Memory { return &Memory{tokenBytes: m.tokenBytes, prefix: m.prefix} }

// cut divides a segment before its token n.
func (s *segment) cut(n int64) (head, tail segment) {
	n = min(max(n, 0), s.len())
	head, tail = segment{at: s.at}, segment{}
	if s.long != nil {
		head.long, tail.long = s.long[:n:n], s.long[n:]
	} else {
		head.short, tail.short = s.short[:n:n], s.short[n:]
	}
	return head, tail
}
