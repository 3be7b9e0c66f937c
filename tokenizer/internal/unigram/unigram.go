package unigram

import (
	"slices"
	"unicode/utf8"
)

// Piece is a text with an id and the logarithm of its probability.
type Piece struct {
	Text  string
	ID    int32
	Score float64
}

// UnknownPenalty is how much less likely than the least likely piece a character is that
// no piece consists of.
const UnknownPenalty = 10

// Model cuts texts. It is safe for concurrent use.
type Model struct {
	pieces       []Piece // by text
	trie         *trie
	unknown      int32
	unknownScore float64
	// Single adds and compares scores, which have it, in single precision, as
	// SentencePiece does: rounding tells equally likely ways apart.
	Single bool
}

// New makes a model of pieces with different texts, none of them empty.
func New(pieces []Piece, unknown int32, unknownScore float64) *Model {
	pieces = slices.Clone(pieces)
	return &Model{trie: newTrie(pieces), pieces: pieces, unknown: unknown, unknownScore: unknownScore}
}

// Cut is a piece of a text, or a character that is unknown: where it ends.
type Cut struct {
	End int
	ID  int32
}

// way is the best one that ends at a place: where its last piece begins, -1 for no way.
type way struct {
	score float64
	start int
	id    int32
}

// Append appends the pieces of a text. Of equally likely ways it takes the one whose last
// piece begins first, as the reference implementations do.
func (m *Model) Append(dst []Cut, text []byte) []Cut {
	best := make([]way, len(text)+1)
	for i := range best {
		best[i].start = -1
	}
	for start := 0; start < len(text); {
		_, width := utf8.DecodeRune(text[start:])
		so, whole := best[start].score, false
		node := int32(0)
		for end := start; end < len(text); {
			if node = m.trie.child(node, text[end]); node == 0 {
				break
			}
			end++
			if at := m.trie.nodes[node].piece; at >= 0 {
				p := &m.pieces[at]
				m.offer(&best[end], p.Score+so, start, p.ID)
				whole = whole || end == start+width
			}
		}
		if !whole {
			m.offer(&best[start+width], m.unknownScore+so, start, m.unknown)
		}
		start += width
	}
	first := len(dst)
	for end := len(text); end > 0; end = best[end].start {
		dst = append(dst, Cut{end, best[end].id})
	}
	slices.Reverse(dst[first:])
	return dst
}

func (m *Model) offer(w *way, score float64, start int, id int32) {
	if m.Single {
		score = float64(float32(score))
	}
	if w.start < 0 || score > w.score {
		*w = way{score, start, id}
	}
}
