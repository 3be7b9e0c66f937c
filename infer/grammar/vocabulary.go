package grammar

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"mobilellm/tokenizer"
)

// Vocabulary is the tokens of a tokenizer by their bytes.
type Vocabulary struct {
	tokens []token // in order of their bytes; those without are left out
	begins [257]int
	bytes  [][]byte // by id
	ends   []int32  // tokens that end a text
	words  int      // of a mask
}

type token struct {
	id     int32
	bytes  []byte
	common int // bytes that it begins with as the one before does
}

// NewVocabulary sorts the tokens of a tokenizer. Those that end texts, and others that
// stand for none, fit nothing but the end.
func NewVocabulary(tok *tokenizer.Tokenizer) *Vocabulary {
	n := tok.VocabSize()
	v := &Vocabulary{bytes: make([][]byte, n), ends: tok.Special().EOS, words: (n + 63) / 64}
	for id := range int32(n) {
		b := tok.TokenBytes(id)
		if len(b) == 0 || slices.Contains(v.ends, id) {
			continue
		}
		v.bytes[id] = b
		v.tokens = append(v.tokens, token{id: id, bytes: b})
	}
	slices.SortFunc(v.tokens, func(a, b token) int { return cmp.Or(bytes.Compare(a.bytes, b.bytes), cmp.Compare(a.id, b.id)) })
	for i := range v.tokens[min(1, len(v.tokens)):] {
		a, b := v.tokens[i].bytes, v.tokens[i+1].bytes
		n := 0
		for n < min(len(a), len(b)) && a[n] == b[n] {
			n++
		}
		v.tokens[i+1].common = n
	}
	at := 0
	for first := range 256 {
		for v.begins[first] = at; at < len(v.tokens) && int(v.tokens[at].bytes[0]) == first; at++ {
		}
	}
	v.begins[256] = len(v.tokens)
	return v
}

// maskOf makes the mask of a state.
func (g *Grammar) maskOf(s *state) []uint64 {
	mask := make([]uint64, g.v.words)
	if s.accepts {
		for _, id := range g.v.ends {
			if int(id) < 64*len(mask) {
				mask[id/64] |= 1 << (id % 64)
			}
		}
	}
	path := []*state{s} // by the number of bytes
	for first := range 256 {
		from, to := g.v.begins[first], g.v.begins[first+1]
		if from == to {
			continue
		}
		path = append(path[:1], g.step(s, byte(first)))
		if path[1] == dead {
			continue
		}
		alive := 1 // bytes of the token before, after which the text still fits
		for i := from; i < to; i++ {
			t := &g.v.tokens[i]
			common := t.common
			if i == from {
				common = 1
			}
			if common > alive { // as far as the one before, which did not fit
				continue
			}
			path = path[:common+1]
			alive = common
			for _, c := range t.bytes[common:] {
				next := g.step(path[alive], c)
				if next == dead {
					break
				}
				path = append(path, next)
				alive++
			}
			if alive == len(t.bytes) {
				mask[t.id/64] |= 1 << (t.id % 64)
			}
		}
	}
	return mask
}

// Matcher follows a text.
type Matcher struct {
	g *Grammar
	s *state
}

// Begin is a matcher at the beginning of a text.
func (g *Grammar) Begin() *Matcher { return &Matcher{g, g.begin} }

// Mask has a bit for each token that may come next, those that end texts included where
// the text may end: bit i%64 of word i/64. It must not be changed.
func (m *Matcher) Mask() []uint64 {
	g := m.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.s.mask == nil {
		m.s.mask = g.maskOf(m.s)
		g.masks += 8 * len(m.s.mask)
	}
	return m.s.mask
}

// Accept takes a token, which the mask must have.
func (m *Matcher) Accept(id int32) error {
	if id < 0 || int(id) >= len(m.g.v.bytes) || m.g.v.bytes[id] == nil {
		return fmt.Errorf("grammar: token %d stands for no text", id)
	}
	return m.AcceptText(m.g.v.bytes[id])
}

// AcceptText takes bytes.
func (m *Matcher) AcceptText(text []byte) error {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	s := m.s
	for i, c := range text {
		if s = m.g.step(s, c); s == dead {
			return fmt.Errorf("grammar: byte %d of %q does not fit", i, text)
		}
	}
	m.s = s
	return nil
}

// Ends says whether the text may end here.
func (m *Matcher) Ends() bool { return m.s.accepts }

// Final says that the text must end here.
func (m *Matcher) Final() bool { return m.s.final() }
