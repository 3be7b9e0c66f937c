package merge

import "container/heap"

// longestScanned bounds the words that are merged by scanning all pairs for
// each merge, which is quickest for short words and quadratic for long ones.
const longestScanned = 64

// Apply merges the symbols of one word and appends what is left to dst. It
// overwrites symbols.
func (t *Table) Apply(dst, symbols []int32) []int32 {
	if len(symbols) > longestScanned {
		return t.applyLong(dst, symbols)
	}
	var rules [longestScanned]*Rule // rules[i] is that of symbols[i], symbols[i+1]
	n := len(symbols)
	for i := range n - 1 {
		rules[i] = t.Find(symbols[i], symbols[i+1])
	}
	for n > 1 {
		best, rank := 0, int32(None)
		for i, r := range rules[:n-1] {
			if r.Rank < rank {
				best, rank = i, r.Rank
			}
		}
		if rank == None {
			break
		}
		symbols[best] = rules[best].Joined
		copy(symbols[best+1:n-1], symbols[best+2:n])
		copy(rules[best:n-2], rules[best+1:n-1])
		n--
		if best > 0 {
			rules[best-1] = t.Find(symbols[best-1], symbols[best])
		}
		if best < n-1 {
			rules[best] = t.Find(symbols[best], symbols[best+1])
		}
	}
	return append(dst, symbols[:n]...)
}

// applyLong does the same with a heap of pairs over a linked list, in
// O(n log n): a page of Chinese or a run of dashes is one word.
func (t *Table) applyLong(dst, symbols []int32) []int32 {
	w := chain{symbols: symbols, gone: make([]bool, len(symbols)), next: make([]int32, len(symbols)), prev: make([]int32, len(symbols))}
	for i := range symbols {
		w.next[i], w.prev[i] = int32(i+1), int32(i-1)
	}
	var queue pairQueue
	for i := range len(symbols) - 1 {
		queue.add(t, &w, int32(i))
	}
	for len(queue) > 0 {
		c := heap.Pop(&queue).(candidate)
		right := w.next[c.at]
		if w.gone[c.at] || int(right) == len(symbols) || Key(symbols[c.at], symbols[right]) != c.Pair {
			continue // one of the two has been merged since
		}
		symbols[c.at], w.gone[right] = c.Joined, true
		after := w.next[right]
		w.next[c.at] = after
		if int(after) < len(symbols) {
			w.prev[after] = c.at
			queue.add(t, &w, c.at)
		}
		if before := w.prev[c.at]; before >= 0 {
			queue.add(t, &w, before)
		}
	}
	for i := int32(0); int(i) < len(symbols); i = w.next[i] {
		dst = append(dst, symbols[i])
	}
	return dst
}

// chain is a word as a doubly linked list over its first symbols' places; gone
// are those that were merged into their left neighbour.
type chain struct {
	symbols    []int32
	gone       []bool
	next, prev []int32
}

// candidate is a pair that may be merged: of equal ranks the leftmost first.
type candidate struct {
	Rule
	at int32
}

type pairQueue []candidate

// add puts the pair that starts at i into the queue if there is a rule for it.
func (q *pairQueue) add(t *Table, w *chain, i int32) {
	if r := t.Find(w.symbols[i], w.symbols[w.next[i]]); r.Rank != None {
		heap.Push(q, candidate{*r, i})
	}
}

func (q pairQueue) Len() int      { return len(q) }
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q pairQueue) Less(i, j int) bool {
	return q[i].Rank < q[j].Rank || q[i].Rank == q[j].Rank && q[i].at < q[j].at
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
