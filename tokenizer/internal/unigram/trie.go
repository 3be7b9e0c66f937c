package unigram

import (
	"cmp"
	"slices"
	"sort"
)

// trie finds the pieces that open a text. The children of a node lie side by side.
type trie struct {
	labels []byte
	nodes  []trieNode
	root   [256]int32 // the root's children, 0 for none
}

type trieNode struct {
	first, count int32 // children
	piece        int32 // that ends here, -1 for none
}

// newTrie is of pieces with different texts, none of them empty. It sorts them.
func newTrie(pieces []Piece) *trie {
	slices.SortFunc(pieces, func(a, b Piece) int { return cmp.Compare(a.Text, b.Text) })
	t := &trie{labels: []byte{0}, nodes: []trieNode{{piece: -1}}}
	type group struct{ node, low, high, depth int }
	for queue := []group{{0, 0, len(pieces), 0}}; len(queue) > 0; queue = queue[1:] {
		g := queue[0]
		if g.low < g.high && len(pieces[g.low].Text) == g.depth {
			t.nodes[g.node].piece = int32(g.low)
			g.low++
		}
		t.nodes[g.node].first = int32(len(t.nodes))
		for g.low < g.high {
			b := pieces[g.low].Text[g.depth]
			n := sort.Search(g.high-g.low, func(i int) bool { return pieces[g.low+i].Text[g.depth] > b })
			queue = append(queue, group{len(t.nodes), g.low, g.low + n, g.depth + 1})
			t.labels = append(t.labels, b)
			t.nodes = append(t.nodes, trieNode{piece: -1})
			t.nodes[g.node].count++
			g.low += n
		}
	}
	for i := range t.nodes[0].count {
		child := t.nodes[0].first + i
		t.root[t.labels[child]] = child
	}
	return t
}

// child follows a byte from a node, 0 for no way.
func (t *trie) child(node int32, b byte) int32 {
	if node == 0 {
		return t.root[b]
	}
	n := &t.nodes[node]
	labels := t.labels[n.first : n.first+n.count]
	for i, label := range labels {
		if label == b {
			return n.first + int32(i)
		}
		if label > b {
			break
		}
	}
	return 0
}
