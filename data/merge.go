package data

import (
	"container/heap"
	"math"
	"math/bits"
)

// rule says what a pair of tokens becomes and how early it was learnt.
type rule struct {
	pair   uint64
	rank   int32
	joined int32
}

// noRank is the rank of a pair that was never learnt.
const noRank = math.MaxInt32

// mergeTable finds the rule of a pair: an open-addressing hash table at most
// half full, which is several times quicker here than Go's map.
type mergeTable struct {
	rules []rule
	shift int
}

func pairKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

func newMergeTable(merges []merge) mergeTable {
	logSize := bits.Len(uint(2*len(merges) + 1))
	t := mergeTable{rules: make([]rule, 1<<logSize), shift: 64 - logSize}
	for i := range t.rules {
		t.rules[i].rank = noRank
	}
	for rank, m := range merges {
		key := pairKey(m.left, m.right)
		slot := t.find(key)
		if slot.rank == noRank {
			*slot = rule{key, int32(rank), m.joined}
		}
	}
	return t
}

// find returns the slot of the pair, of rank noRank where there is none.
func (t *mergeTable) find(pair uint64) *rule {
	mask := len(t.rules) - 1
	i := int((pair * 0x9e3779b97f4a7c15) >> t.shift)
	for {
		r := &t.rules[i&mask]
		if r.rank == noRank || r.pair == pair {
			return r
		}
		i++
	}
}

// longestScanned bounds the words that are merged by scanning all pairs for
// each merge, which is quickest for short words and quadratic for long ones.
const longestScanned = 64

// merge appends the ids of one word to dst.
func (b *BPE) merge(dst []int32, word []byte) []int32 {
	if len(word) > longestScanned {
		return b.mergeLong(dst, word)
	}
	var ids [longestScanned]int32
	var rules [longestScanned]*rule // rules[i] is that of ids[i], ids[i+1]
	n := len(word)
	for i, c := range word {
		ids[i] = b.byteIDs[c]
	}
	for i := range n - 1 {
		rules[i] = b.rules.find(pairKey(ids[i], ids[i+1]))
	}
	for n > 1 {
		best, rank := 0, int32(noRank)
		for i, r := range rules[:n-1] {
			if r.rank < rank {
				best, rank = i, r.rank
			}
		}
		if rank == noRank {
			break
		}
		ids[best] = rules[best].joined
		copy(ids[best+1:n-1], ids[best+2:n])
		copy(rules[best:n-2], rules[best+1:n-1])
		n--
		if best > 0 {
			rules[best-1] = b.rules.find(pairKey(ids[best-1], ids[best]))
		}
		if best < n-1 {
			rules[best] = b.rules.find(pairKey(ids[best], ids[best+1]))
		}
	}
	return append(dst, ids[:n]...)
}

// mergeLong does the same with a heap of pairs over a linked list, in
// O(n log n): a page of Chinese or a run of dashes is one word.
func (b *BPE) mergeLong(dst []int32, word []byte) []int32 {
	w := chain{ids: make([]int32, len(word)), next: make([]int, len(word)), prev: make([]int, len(word))}
	for i, c := range word {
		w.ids[i], w.next[i], w.prev[i] = b.byteIDs[c], i+1, i-1
	}
	var queue pairQueue
	for i := range len(word) - 1 {
		queue.add(&b.rules, &w, i)
	}
	for len(queue) > 0 {
		c := heap.Pop(&queue).(candidate)
		right := w.next[c.at]
		if w.ids[c.at] < 0 || right == len(word) || pairKey(w.ids[c.at], w.ids[right]) != c.pair {
			continue // one of the two has been merged since
		}
		w.ids[c.at], w.ids[right] = c.joined, -1
		w.next[c.at] = w.next[right]
		if after := w.next[right]; after < len(word) {
			w.prev[after] = c.at
			queue.add(&b.rules, &w, c.at)
		}
		if before := w.prev[c.at]; before >= 0 {
			queue.add(&b.rules, &w, before)
		}
	}
	for i := 0; i < len(word); i = w.next[i] {
		dst = append(dst, w.ids[i])
	}
	return dst
}

// chain is a word as a doubly linked list over its first bytes' places; a
// token that was merged into its left neighbour has id -1.
type chain struct {
	ids        []int32
	next, prev []int
}

// candidate is a pair that may be merged: of equal ranks the leftmost first.
type candidate struct {
	rule
	at int
}

type pairQueue []candidate

// add puts the pair that starts at i into the queue if there is a rule for it.
func (q *pairQueue) add(rules *mergeTable, w *chain, i int) {
	if r := rules.find(pairKey(w.ids[i], w.ids[w.next[i]])); r.rank != noRank {
		heap.Push(q, candidate{*r, i})
	}
}

func (q pairQueue) Len() int      { return len(q) }
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q pairQueue) Less(i, j int) bool {
	return q[i].rank < q[j].rank || q[i].rank == q[j].rank && q[i].at < q[j].at
}

// Push implements heap.Interface.
func (q *pairQueue) Push(x any) { *q = append(*q, x.(candidate)) }

// Pop implements heap.Interface.
func (q *pairQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
