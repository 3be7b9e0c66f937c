package data

import "fmt"

// mark is how far a corpus reaches.
type mark struct {
	tokens    int64
	segments  int
	docs      int
	textBytes int64
}

func (m *TokenCorpus) mark() mark { return mark{m.tokens, len(m.segments), len(m.docs), m.textBytes} }

// tokensAside is about how many of the tokens since a mark to hold out: a fraction, as
// much as 16 MB of text.
func (m *TokenCorpus) tokensAside(since mark, fraction float64) int64 {
	tokens, text := m.tokens-since.tokens, m.textBytes-since.textBytes
	if text > 0 {
		fraction = min(fraction, float64(maxHeldoutBytes)/float64(text))
	}
	return max(int64(fraction*float64(tokens)), 1)
}

// splitTokens holds out the end: the last documents while their sum is near the
// fraction, and of one that is too large its last tokens. So what is left begins
// where all of it does, as what a teacher stored of it.
func (newRule) splitTokens(set *Set, before mark, fraction float64, name string) error {
	m := set.Train
	total := m.tokens - before.tokens
	target := m.tokensAside(before, fraction)
	first, cut := len(m.docs), m.tokens // of what is held out
	for i := len(m.docs) - 1; i > before.docs && m.tokens-cut < target; i-- {
		if m.tokens-m.docs[i] > near(target) {
			break
		}
		first, cut = i, m.docs[i]
	}
	held := heldTokens{name: name, total: total, documents: len(m.docs) - first}
	if !enough(m.tokens-cut, target) {
		held.cut, held.whole = first-1-before.docs, cut-m.docs[first-1]
		cut = m.tokens - target
		if cut <= m.docs[first-1]+int64(len(set.Tokenizer.Opening())) {
			return tooFewTokens(name, total)
		}
		held.tail = m.docs[first-1] + held.whole - cut
		set.aside.addCut(m, first-1, cut)
	}
	held.tokens = m.tokens - cut
	end := cut
	if held.tail == 0 && set.aside.edges.joins(m, cut) {
		end++ // what opens the first document of these ends the one before it
	}
	set.moveTail(before, cut, end)
	set.Notes = append(set.Notes, held.note())
	return nil
}

// heldTokens is what was held out of a source of tokens.
type heldTokens struct {
	name          string
	tokens, total int64
	documents     int   // whole ones
	cut           int   // number of the document of which the tail is held out
	tail, whole   int64 // its tokens held out, 0 for none, and all
}

func (h heldTokens) note() string {
	text := fmt.Sprintf("data: held out the end of %s, %.1f %% of it, %d tokens: ", h.name, 100*float64(h.tokens)/float64(h.total), h.tokens)
	if h.documents > 0 {
		text += fmt.Sprintf("%d documents", h.documents)
	}
	if h.documents > 0 && h.tail > 0 {
		text += " and "
	}
	if h.tail > 0 {
		text += fmt.Sprintf("the last %d tokens of document %d (%d tokens)", h.tail, h.cut, h.whole)
	}
	return text
}

// moveTail moves the tokens from cut on, and the documents that begin there, to the
// held-out side. The training side keeps those up to end.
func (set *Set) moveTail(before mark, cut, end int64) {
	m := set.Train
	aside := m.TextBytes(cut, m.tokens)
	held := newCorpusLike(m)
	held.textBytes = aside
	held.print = fmt.Sprintf("%s from %d", m.print, cut)
	first := len(m.docs)
	for first > before.docs && m.docs[first-1] >= cut {
		first--
	}
	for _, at := range m.docs[first:] {
		held.docs = append(held.docs, at-cut)
	}
	if len(held.docs) == 0 || held.docs[0] > 0 {
		held.docs = append([]int64{0}, held.docs...) // a tail
		set.tails++
	}
	kept := m.segments[:before.segments:before.segments]
	for _, s := range m.segments[before.segments:] {
		if head, _ := s.cut(end - s.at); head.len() > 0 {
			kept = append(kept, head)
		}
		if _, tail := s.cut(cut - s.at); tail.len() > 0 {
			held.add(tail)
		}
	}
	m.segments, m.tokens, m.docs = kept, end, m.docs[:first]
	m.textBytes -= aside
	set.Heldout.addCorpus(held)
}

// newCorpusLike is an empty corpus of the same tokenizer.
func newCorpusLike(m *TokenCorpus) *TokenCorpus {
	return &TokenCorpus{tokenBytes: m.tokenBytes, prefix: m.prefix}
}

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
