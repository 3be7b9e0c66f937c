package eval

import "mobilellm/engine/op"

// sequence is a continuation in its context, in tokens, and what the model makes of it.
type sequence struct {
	ids      []int32 // the last one is only predicted
	from     int     // the first that is scored, 1 at least
	cut      int     // tokens that the context lost
	logProbs []float64
	likely   []bool // the token is the likeliest
	of       *question
}

func newSequence(ids []int32, from, cut int) *sequence {
	n := len(ids) - from
	return &sequence{ids: ids, from: from, cut: cut, logProbs: make([]float64, n), likely: make([]bool, n)}
}

// input is what the model reads.
func (s *sequence) input() []int32 { return s.ids[:len(s.ids)-1] }

// sum is the log-likelihood.
func (s *sequence) sum() (total float64) {
	for _, x := range s.logProbs {
		total += x
	}
	return total
}

func (s *sequence) greedy() bool {
	for _, likely := range s.likely {
		if !likely {
			return false
		}
	}
	return true
}

// question is an item with its sequences.
type question struct {
	item int
	seqs []*sequence // of the requests
	left int         // sequences that are not scored yet
	lost int         // examples that fell away
}

// node is tokens that some sequences share, of a tree that parts where they differ: what
// is common to all choices of an item is its root, and is computed once.
type node struct {
	start    int         // position of the first token
	tokens   []int32     // may be none, where sequences begin differently
	seqs     []*sequence // that go through it
	children []*node

	slot int // of the model
	done int // tokens computed
}

// prefixTree is the tree of sequences whose first start tokens are the same.
func prefixTree(seqs []*sequence, start int) *node {
	first := seqs[0].input()
	end := len(first)
	for _, s := range seqs[1:] {
		end = start + agree(first[start:end], s.input()[start:])
	}
	n := &node{start: start, tokens: first[start:end], seqs: seqs}
	var parts [][]*sequence
	part := map[int32]int{} // by the token in which they differ
	for _, s := range seqs {
		if len(s.input()) == end {
			continue
		}
		id := s.input()[end]
		if _, ok := part[id]; !ok {
			part[id] = len(parts)
			parts = append(parts, nil)
		}
		parts[part[id]] = append(parts[part[id]], s)
	}
	for _, p := range parts {
		n.children = append(n.children, prefixTree(p, end))
	}
	return n
}

// agree is how many tokens a and b begin with in common.
func agree(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// wanted is the first of the node's tokens whose logits some sequence wants.
func (n *node) wanted() int {
	first := len(n.tokens)
	for _, s := range n.seqs {
		first = min(first, max(0, s.from-1-n.start))
	}
	return first
}

// needs is how many slots and blocks of the KV cache the tree takes at most, and how many
// tokens it computes.
func (n *node) needs() (slots, blocks, tokens int) {
	end := n.start + len(n.tokens)
	blocks = (end+op.CacheBlock-1)/op.CacheBlock - n.start/op.CacheBlock
	tokens = len(n.tokens)
	for _, c := range n.children {
		s, b, t := c.needs()
		slots, blocks, tokens = slots+s, blocks+b, tokens+t
	}
	return max(slots, 1), blocks, tokens
}
