package sentencepiece

import (
	"container/heap"
	"unicode/utf8"
)

// resegmented encodes normal text with a vocabulary that has unused pieces:
// they take part in merging, and what of them is left at the end is split
// again into the two parts that were last seen to make them. That "last" looks
// at the whole text, so there is no cutting in words here.
func (e *encoder) resegmented(text []byte) {
	s := sentence{encoder: e, parts: make(map[string][2]string)}
	for i := 0; i < len(text); {
		n := e.user.match(text[i:])
		frozen := n > 0
		if !frozen {
			_, n = utf8.DecodeRune(text[i:])
		}
		s.nodes = append(s.nodes, node{text: string(text[i : i+n]), frozen: frozen, prev: len(s.nodes) - 1, next: len(s.nodes) + 1})
		i += n
	}
	for i := 1; i < len(s.nodes); i++ {
		s.offer(i-1, i)
	}
	for len(s.queue) > 0 {
		top := heap.Pop(&s.queue).(offer)
		left, right := &s.nodes[top.left], &s.nodes[top.right]
		if left.text == "" || right.text == "" || len(left.text)+len(right.text) != top.size {
			continue
		}
		left.text += right.text
		right.text = ""
		left.next = right.next
		if left.next < len(s.nodes) {
			s.nodes[left.next].prev = top.left
		}
		s.offer(left.prev, top.left)
		s.offer(top.left, left.next)
	}
	for i := 0; i < len(s.nodes); i = s.nodes[i].next {
		s.split(s.nodes[i].text)
	}
}

// node is a symbol of the text in a doubly linked list.
type node struct {
	text       string
	frozen     bool
	prev, next int
}

type sentence struct {
	*encoder
	nodes []node
	queue offerQueue
	parts map[string][2]string // of unused pieces
}

// offer puts a pair in the queue if it makes a piece.
func (s *sentence) offer(left, right int) {
	if left < 0 || right >= len(s.nodes) || s.nodes[left].frozen || s.nodes[right].frozen {
		return
	}
	text := s.nodes[left].text + s.nodes[right].text
	id, ok := s.ids[text]
	if !ok {
		return
	}
	heap.Push(&s.queue, offer{s.spec.pieces[id].Score, left, right, len(text)})
	if s.spec.pieces[id].Type == Unused {
		s.parts[text] = [2]string{s.nodes[left].text, s.nodes[right].text}
	}
}

// split appends the ids of a piece's text.
func (s *sentence) split(text string) {
	id, known := s.ids[text]
	if known && s.spec.pieces[id].Type == Unused {
		if parts, ok := s.parts[text]; ok {
			s.split(parts[0])
			s.split(parts[1])
			return
		}
	}
	if !known {
		r, _ := utf8.DecodeRuneInString(text)
		s.emitSymbol(noPiece(r))
		return
	}
	s.emit(id)
}

type offer struct {
	score       float32
	left, right int
	size        int
}

type offerQueue []offer

func (q offerQueue) Len() int      { return len(q) }
func (q offerQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q offerQueue) Less(i, j int) bool {
	return q[i].score > q[j].score || q[i].score == q[j].score && q[i].left < q[j].left
}

// Push implements heap.Interface.
func (q *offerQueue) Push(x any) { *q = append(*q, x.(offer)) }

// Pop implements heap.Interface.
func (q *offerQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
