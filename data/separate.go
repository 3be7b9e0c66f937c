package data

import (
	"crypto/sha256"
	"fmt"
)

// separateTexts leaves out of every training side what is held out of any source.
func (newRule) separateTexts(splits []Split) (shared int) {
	held := newHeldTexts(nil)
	for _, s := range splits {
		for _, d := range s.Heldout {
			held.add(d.Text, 0)
		}
		if s.Cut != nil {
			held.add(s.Cut.Text, s.Kept)
		}
	}
	for i := range splits {
		s := &splits[i]
		if s.Cut != nil {
			if kept, _ := held.find(s.Cut.Text); kept < s.Kept { // another source holds out more of it
				held.add(s.Cut.Text[:s.Kept], kept)
				s.Kept = kept
			}
		}
	}
	for i := range splits {
		rest, n := held.from(splits[i].Train)
		splits[i].Train = rest
		shared += n
	}
	return shared
}

// separateTokens leaves out of the training side the documents that are held out too,
// by whatever way they came to both, and returns where the parts then lie.
func (newRule) separateTokens(set *Set, parts []part) []part {
	m, held := set.Train, set.aside
	for i := range set.Heldout.docs {
		held.add(set.Heldout, i, 0)
	}
	var out []tokenRange
	var docs []int64 // that stay
	var text int64
	shared := 0
	for i, start := range m.docs {
		from, ok := held.find(m, i)
		if !ok {
			docs = append(docs, start)
			continue
		}
		shared++
		if begin, _ := held.edges.content(m, i); from > begin {
			docs = append(docs, start) // its head stays
		} else {
			from = start
		}
		r := tokenRange{from, m.end(i), held.edges.closes(m, i)}
		text += m.TextBytes(r.from, r.to)
		if n := len(out); n > 0 && out[n-1].to == r.from {
			r.from, out = out[n-1].from, out[:n-1]
		}
		out = append(out, r)
	}
	if shared == 0 {
		return parts
	}
	var tokens int64
	for i, r := range out {
		if r.closes && held.edges.joins(m, r.from) {
			out[i].from++ // which ends the document before
		}
		tokens += r.to - r.from
	}
	set.Notes = append(set.Notes, fmt.Sprintf("data: %d documents of data.train (%d tokens) are held out too and are not trained on", shared, tokens))
	m.leaveOut(out, docs)
	m.textBytes -= text
	left := make([]part, len(parts))
	for i, p := range parts {
		left[i] = part{p.name, moved(out, p.from), moved(out, p.to)}
	}
	return left
}

// tokenRange is the tokens from one position to before another; closes says that the
// last of them is at the end of a text.
type tokenRange struct {
	from, to int64
	closes   bool
}

// moved is where a position lies when the ranges before it are left out.
func moved(out []tokenRange, at int64) int64 {
	to := at
	for _, r := range out {
		if r.from >= at {
			break
		}
		to -= min(r.to, at) - r.from
	}
	return to
}

// leaveOut takes ranges out of the corpus, in order and apart from each other. docs are
// where the documents begin that stay.
func (m *TokenCorpus) leaveOut(out []tokenRange, docs []int64) {
	sum := sha256.New()
	for _, r := range out {
		fmt.Fprintln(sum, r.from, r.to)
	}
	m.print += fmt.Sprintf("without %x", sum.Sum(nil))
	m.gaps = m.gaps || len(out) > 1 || out[0].to < m.tokens
	left := newCorpusLike(m)
	next := 0 // range
	for _, s := range m.segments {
		at := s.at
		for ; next < len(out) && out[next].from < s.at+s.len(); next++ {
			r := out[next]
			left.addPart(s, at, r.from)
			at = max(at, r.to)
			if r.to > s.at+s.len() {
				break // it goes on in the next segment
			}
		}
		left.addPart(s, at, s.at+s.len())
	}
	next, gone := 0, int64(0)
	for i, at := range docs {
		for ; next < len(out) && out[next].from < at; next++ {
			gone += out[next].to - out[next].from
		}
		docs[i] = at - gone
	}
	m.segments, m.tokens, m.docs = left.segments, left.tokens, docs
}

// addPart appends the tokens of a segment between two positions of its corpus, if there
// are any.
func (m *TokenCorpus) addPart(s segment, from, to int64) {
	if from >= to {
		return
	}
	_, tail := s.cut(from - s.at)
	part, _ := tail.cut(to - from)
	m.add(part)
}
