package merge

import (
	"cmp"
	"container/heap"
)

// minPairCount is how often a pair must occur to be worth a token.
const minPairCount = 2

// Joining makes a third symbol of two.
type Joining struct{ Left, Right, Joined int32 }

// Word is a word of the text as symbols, and how often it occurs.
type Word struct {
	Symbols []int32
	Count   int64
}

// Learner learns which pairs of neighbours to merge: the most frequent first,
// of equal ones the pair of lowest symbols. It keeps the counts of pairs up to
// date instead of counting anew (algorithm 1 of Sennrich et al. 2016).
type Learner struct {
	Tokens []string  // by symbol
	Merges []Joining // in the order learnt

	// Allowed, when not nil, says whether a pair may become this token.
	Allowed func(token string) bool

	words  []Word
	ids    map[string]int32
	learnt map[uint64]bool
	pairs  map[uint64]*pairStat
	queue  countQueue
	grown  map[uint64]*pairStat // pairs whose count rose in this step
}

// pairStat is how often a pair occurs, and the words in which it does or once
// did.
type pairStat struct {
	count int64
	words []int32
}

// NewLearner starts from words made of the symbols of tokens. It overwrites
// both.
func NewLearner(words []Word, tokens []string) *Learner {
	l := &Learner{
		Tokens: tokens,
		words:  words,
		ids:    make(map[string]int32),
		learnt: make(map[uint64]bool),
		pairs:  make(map[uint64]*pairStat),
		grown:  make(map[uint64]*pairStat),
	}
	for id, token := range tokens {
		l.ids[token] = int32(id)
	}
	for i, w := range words {
		for j := range len(w.Symbols) - 1 {
			l.add(Key(w.Symbols[j], w.Symbols[j+1]), int32(i), w.Count)
		}
	}
	l.queueGrown()
	return l
}

// add counts a pair in a word.
func (l *Learner) add(key uint64, word int32, count int64) {
	stat := l.pairs[key]
	if stat == nil {
		stat = new(pairStat)
		l.pairs[key] = stat
	}
	stat.count += count
	if n := len(stat.words); n == 0 || stat.words[n-1] != word {
		stat.words = append(stat.words, word)
	}
	l.grown[key] = stat
}

// queueGrown offers the pairs whose count rose to the queue. A pair that
// falls keeps its old place there until it comes to the top.
func (l *Learner) queueGrown() {
	for key, stat := range l.grown {
		if stat.count >= minPairCount {
			heap.Push(&l.queue, countedPair{stat.count, key})
		}
	}
	clear(l.grown)
}

// Step merges the most frequent pair everywhere; false when none is left.
func (l *Learner) Step() bool {
	for len(l.queue) > 0 {
		top := heap.Pop(&l.queue).(countedPair)
		stat := l.pairs[top.pair]
		switch {
		case stat == nil:
		case stat.count == top.count:
			if l.join(top.pair, stat) {
				return true
			}
		case stat.count >= minPairCount && stat.count < top.count:
			heap.Push(&l.queue, countedPair{stat.count, top.pair})
		}
	}
	return false
}

// join makes a pair one token in every word that has it, if it is allowed.
func (l *Learner) join(key uint64, stat *pairStat) bool {
	left, right := int32(key>>32), int32(uint32(key))
	token := l.Tokens[left] + l.Tokens[right]
	if l.Allowed != nil && !l.Allowed(token) {
		delete(l.pairs, key)
		return false
	}
	joined, known := l.ids[token]
	if !known { // else two ways lead to one token: abc = ab+c = a+bc
		joined = int32(len(l.Tokens))
		l.Tokens = append(l.Tokens, token)
		l.ids[token] = joined
	}
	if !l.learnt[key] {
		l.learnt[key] = true
		l.Merges = append(l.Merges, Joining{left, right, joined})
	}
	delete(l.pairs, key)
	for _, word := range stat.words {
		l.words[word].Symbols = l.rewrite(word, left, right, joined)
	}
	l.queueGrown()
	return true
}

// rewrite joins the pair in one word and moves the counts of its neighbours.
func (l *Learner) rewrite(word, left, right, joined int32) []int32 {
	old, count := l.words[word].Symbols, l.words[word].Count
	out := old[:0]
	for i := 0; i < len(old); i++ {
		if old[i] != left || i+1 == len(old) || old[i+1] != right {
			out = append(out, old[i])
			continue
		}
		if n := len(out); n > 0 {
			l.drop(Key(out[n-1], left), count)
			l.add(Key(out[n-1], joined), word, count)
		}
		if i+2 < len(old) {
			l.drop(Key(right, old[i+2]), count)
			l.add(Key(joined, old[i+2]), word, count)
		}
		out = append(out, joined)
		i++
	}
	return out
}

func (l *Learner) drop(key uint64, count int64) {
	stat := l.pairs[key]
	if stat == nil {
		return // the pair being joined
	}
	if stat.count -= count; stat.count == 0 {
		delete(l.pairs, key)
	}
}

type countedPair struct {
	count int64
	pair  uint64
}

// countQueue has the most frequent pair on top, of equal ones the lowest.
type countQueue []countedPair

func (q countQueue) Len() int      { return len(q) }
func (q countQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q countQueue) Less(i, j int) bool {
	if c := cmp.Compare(q[j].count, q[i].count); c != 0 {
		return c < 0
	}
	return q[i].pair < q[j].pair
}

// Push implements heap.Interface.
func (q *countQueue) Push(x any) { *q = append(*q, x.(countedPair)) }

// Pop implements heap.Interface.
func (q *countQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
