package data

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"

	"mobilellm/data/internal/merge"
)

// TrainReport says what a BPE was learnt from and what came out.
type TrainReport struct {
	Asked       int   // vocabulary asked for
	Vocab       int   // vocabulary got, special token included
	TextBytes   int64 // bytes of all documents
	SampleBytes int64 // bytes that were counted
	Words       int   // different words in them
	Notes       []string
}

const (
	// sampleBytes is how much text a vocabulary is learnt from: beyond it the
	// pieces hardly change.
	sampleBytes = 32 << 20
	// minVocab is the bytes and the special token.
	minVocab = 257
	// A pair is worth a piece when it occurs at least twice.
	minPairCount = 2
)

// TrainBPE learns a byte-level BPE of vocab ids from documents: the 256
// bytes, vocab-257 merges, [EndOfText]. Of more than 32 MB of text an evenly
// spread part is counted. The result depends on the text and vocab alone:
// the most frequent pair of neighbours is merged first, of equal ones the
// pair of lowest ids.
//
// Text that is too little for vocab gives fewer ids and a note in the report.
// Errors: vocab below 257, and ctx's. progress, which may be nil, is called
// with the pieces learnt so far and the pieces asked for.
//
// Algorithm 1 of Sennrich et al. 2016, with the counts of pairs kept up to
// date instead of counted anew.
func TrainBPE(ctx context.Context, docs []Document, vocab int, progress func(done, total int)) (*BPE, TrainReport, error) {
	report := TrainReport{Asked: vocab, TextBytes: TextBytes(docs)}
	if vocab < minVocab {
		return nil, report, fmt.Errorf("tokenizer: vocabulary of %d is too small: bytes and %s need %d\nhint: ask for %d or more, or set data.tokenizer to bytes", vocab, EndOfText, minVocab, minVocab)
	}
	words, sampled, err := countWords(ctx, docs, sampleBytes)
	if err != nil {
		return nil, report, err
	}
	report.SampleBytes, report.Words = sampled, len(words)

	learner := newLearner(words)
	target := vocab - 1
	for len(learner.tokens) < target && learner.step() {
		if len(learner.merges)%64 != 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, report, fmt.Errorf("training the tokenizer: %w", err)
		}
		if progress != nil {
			progress(len(learner.tokens)+1, vocab)
		}
	}
	tokens := append(learner.tokens, []byte(EndOfText))
	report.Vocab = len(tokens)
	if report.Vocab < vocab {
		report.Notes = append(report.Notes, fmt.Sprintf("tokenizer: %d bytes of text give %d pieces, not the %d asked for", sampled, report.Vocab, vocab))
	}
	if sampled < report.TextBytes {
		report.Notes = append(report.Notes, fmt.Sprintf("tokenizer: learnt from %d of %d bytes, spread evenly over the text", sampled, report.TextBytes))
	}
	if progress != nil {
		progress(report.Vocab, vocab)
	}
	bpe, err := newBPE(tokens, learner.merges, int32(len(tokens)-1))
	if err != nil {
		return nil, report, fmt.Errorf("tokenizer: %w", err)
	}
	return bpe, report, nil
}

// learner holds the words of the text as tokens and the counts of all pairs.
type learner struct {
	words  [][]int32
	counts []int64

	tokens [][]byte
	ids    map[string]int32 // by the token's bytes
	merges []joining
	learnt map[uint64]bool

	pairs map[uint64]*pairStat
	queue countQueue
	grown map[uint64]*pairStat // pairs whose count rose in this step
}

// pairStat is how often a pair occurs, and the words in which it does or once
// did.
type pairStat struct {
	count int64
	words []int32
}

func newLearner(words []countedWord) *learner {
	l := &learner{
		words:  make([][]int32, len(words)),
		counts: make([]int64, len(words)),
		ids:    make(map[string]int32),
		learnt: make(map[uint64]bool),
		pairs:  make(map[uint64]*pairStat),
		grown:  make(map[uint64]*pairStat),
	}
	for b := range 256 {
		token := []byte{byte(b)}
		l.tokens = append(l.tokens, token)
		l.ids[string(token)] = int32(b)
	}
	for i, w := range words {
		l.counts[i] = w.count
		l.words[i] = make([]int32, len(w.text))
		for j := range len(w.text) {
			l.words[i][j] = int32(w.text[j])
		}
		for j := range len(w.text) - 1 {
			l.add(merge.Key(l.words[i][j], l.words[i][j+1]), int32(i), w.count)
		}
	}
	l.queueGrown()
	return l
}

// add counts a pair in a word.
func (l *learner) add(key uint64, word int32, count int64) {
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
func (l *learner) queueGrown() {
	for key, stat := range l.grown {
		if stat.count >= minPairCount {
			heap.Push(&l.queue, countedPair{stat.count, key})
		}
	}
	clear(l.grown)
}

// step merges the most frequent pair everywhere; false when none is left.
func (l *learner) step() bool {
	for len(l.queue) > 0 {
		top := heap.Pop(&l.queue).(countedPair)
		stat := l.pairs[top.pair]
		switch {
		case stat == nil:
		case stat.count == top.count:
			l.join(top.pair, stat)
			return true
		case stat.count >= minPairCount && stat.count < top.count:
			heap.Push(&l.queue, countedPair{stat.count, top.pair})
		}
	}
	return false
}

// join makes a pair one token in every word that has it.
func (l *learner) join(key uint64, stat *pairStat) {
	left, right := int32(key>>32), int32(uint32(key))
	token := slices.Concat(l.tokens[left], l.tokens[right])
	joined, known := l.ids[string(token)]
	if !known { // else two ways lead to one token: abc = ab+c = a+bc
		joined = int32(len(l.tokens))
		l.tokens = append(l.tokens, token)
		l.ids[string(token)] = joined
	}
	if !l.learnt[key] {
		l.learnt[key] = true
		l.merges = append(l.merges, joining{left, right, joined})
	}
	delete(l.pairs, key)
	for _, word := range stat.words {
		l.words[word] = l.rewrite(word, left, right, joined)
	}
	l.queueGrown()
}

// rewrite joins the pair in one word and moves the counts of its neighbours.
func (l *learner) rewrite(word, left, right, joined int32) []int32 {
	old := l.words[word]
	count := l.counts[word]
	out := old[:0]
	for i := 0; i < len(old); i++ {
		if old[i] != left || i+1 == len(old) || old[i+1] != right {
			out = append(out, old[i])
			continue
		}
		if n := len(out); n > 0 {
			l.drop(merge.Key(out[n-1], left), count)
			l.add(merge.Key(out[n-1], joined), word, count)
		}
		if i+2 < len(old) {
			l.drop(merge.Key(right, old[i+2]), count)
			l.add(merge.Key(joined, old[i+2]), word, count)
		}
		out = append(out, joined)
		i++
	}
	return out
}

func (l *learner) drop(key uint64, count int64) {
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
