package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"mobilellm/engine/op"
	"mobilellm/infer"
)

// What an evaluation wants of a model besides its weights: enough slots that runs of the
// model are full where each item has few tokens, and a cache for those.
const (
	slots       = 128
	cacheTokens = slots*op.CacheBlock + 4096
)

// LoadOptions are o with the slots and the KV cache that a [Scorer] works well with.
func LoadOptions(o infer.LoadOptions) infer.LoadOptions {
	o.Slots, o.CacheTokens = slots, cacheTokens
	return o
}

// rows is how many tokens are computed in one run of the model.
const rows = 512

// Scorer computes the likelihoods of continuations. A model that was loaded with
// [LoadOptions] serves best; any will do.
//
// The sequences of an item are a tree of common beginnings. Tokens of many trees are
// computed in one run: as soon as a node is, sequences fork off it in the KV cache, and
// their tokens fill the next run with those of new trees. Logits are computed where a
// continuation is scored only. The device's workers make log-likelihoods of them.
type Scorer struct {
	m        *infer.Model
	encoder  encoder
	progress func(done, total int64)

	free        []int // slots that hold nothing
	slots, room int   // slots, and blocks of the cache, that no tree has claimed
	ready       []claimed
	steps       []infer.Step
}

// claimed is a node whose tokens can be computed, and the tree that it is of.
type claimed struct {
	*node
	tree *tree
}

// tree is what is computed from one root.
type tree struct {
	root                 *node
	slots, blocks, total int
	nodes                int // that are not computed yet
}

// NewScorer is a scorer on m, which nobody else may use meanwhile. Progress, which may be
// nil, is told how many of all tokens are computed.
func NewScorer(m *infer.Model, progress func(done, total int64)) *Scorer {
	s := &Scorer{m: m, encoder: newEncoder(m), progress: progress}
	if progress == nil {
		s.progress = func(int64, int64) {}
	}
	return s
}

// capacity is how many blocks the cache has; more than are ever wanted without one.
func (s *Scorer) capacity() int {
	blocks := s.m.CacheTokens() / op.CacheBlock
	if blocks == 0 {
		blocks = s.m.Slots() * (s.m.Context()/op.CacheBlock + 1)
	}
	return blocks
}

// Score answers items of multiple choice or log-likelihood, and hands the answer to the
// i-th to answer as soon as it is there, the items of the most tokens first. Priors are
// questions of their own, see [Ask].
func (s *Scorer) Score(ctx context.Context, items []Item, answer func(i int, a Answer) error) error {
	questions := make([]*question, len(items))
	for i, item := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		q, err := s.question(item)
		if err != nil {
			return fmt.Errorf("item %s: %w", item.ID, err)
		}
		q.item = i
		questions[i] = q
	}
	return s.run(ctx, s.trees(questions), func(q *question) error {
		a := Answer{Dropped: q.lost}
		for _, seq := range q.seqs {
			a.Scores = append(a.Scores, seq.score())
		}
		return answer(q.item, a)
	})
}

// Roll scores whole texts, each item's first request's continuation.
func (s *Scorer) Roll(ctx context.Context, items []Item, answer func(i int, a Answer) error) error {
	var trees []*tree
	for i, item := range items {
		if len(item.Requests) != 1 {
			return fmt.Errorf("item %s: %d texts, want one", item.ID, len(item.Requests))
		}
		cut := s.encoder.rolling
		if item.Windows {
			cut = s.encoder.official
		}
		windows, err := cut(item.Requests[0].Continuation)
		if err != nil {
			return fmt.Errorf("item %s: %w", item.ID, err)
		}
		q := &question{item: i, seqs: windows, left: len(windows)}
		for _, w := range windows {
			w.of = q
			trees = s.plant(trees, []*sequence{w})
		}
	}
	return s.run(ctx, trees, func(q *question) error {
		total := Score{Greedy: true}
		for _, w := range q.seqs {
			one := w.score()
			total.LogProb += one.LogProb
			total.Tokens += one.Tokens
			total.Greedy = total.Greedy && one.Greedy
		}
		return answer(q.item, Answer{Scores: []Score{total}})
	})
}

func (s *sequence) score() Score {
	return Score{LogProb: s.sum(), Tokens: len(s.logProbs), Greedy: s.greedy(), Cut: s.cut}
}

// question is an item as sequences.
func (s *Scorer) question(item Item) (*question, error) {
	if len(item.Requests) == 0 {
		return nil, errors.New("there is nothing to score")
	}
	q := &question{left: len(item.Requests)}
	for i, r := range item.Requests {
		seq, lost, err := s.encoder.request(item.Shots, r.Context, r.Continuation)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		seq.of = q
		q.seqs = append(q.seqs, seq)
		q.lost = max(q.lost, lost)
	}
	return q, nil
}

// trees are the trees of some questions, the longest first. Questions that follow each
// other and have a whole block of the cache in common, as those about one article have,
// are one tree.
func (s *Scorer) trees(questions []*question) []*tree {
	var list []*tree
	var seqs []*sequence
	flush := func() {
		if len(seqs) > 0 {
			list = s.plant(list, seqs)
		}
		seqs = nil
	}
	for _, q := range questions {
		if len(seqs) > 0 && (len(seqs)+len(q.seqs) > s.m.Slots()/4 || agree(seqs[0].input(), q.seqs[0].input()) < op.CacheBlock) {
			flush()
		}
		seqs = append(seqs, q.seqs...)
	}
	flush()
	slices.SortStableFunc(list, func(a, b *tree) int { return cmp.Compare(b.total, a.total) })
	return list
}

// plant adds the tree of sequences, or several where the model has no room for one.
func (s *Scorer) plant(list []*tree, seqs []*sequence) []*tree {
	t := &tree{root: prefixTree(seqs, 0)}
	t.slots, t.blocks, t.total = t.root.needs()
	if len(seqs) > 1 && (t.slots > s.m.Slots() || t.blocks > s.capacity()) {
		return s.plant(s.plant(list, seqs[:len(seqs)/2]), seqs[len(seqs)/2:])
	}
	return append(list, t)
}

// run computes trees and hands out each question when all its sequences are scored.
func (s *Scorer) run(ctx context.Context, trees []*tree, done func(*question) error) error {
	s.free, s.ready, s.slots, s.room = s.free[:0], s.ready[:0], s.m.Slots(), s.capacity()
	for slot := range s.m.Slots() {
		s.m.Truncate(slot, 0)
		s.free = append(s.free, slot)
	}
	defer func() { // where it ends early
		for slot := range s.m.Slots() {
			s.m.Truncate(slot, 0)
		}
	}()
	var computed, total int64
	for _, t := range trees {
		total += int64(t.total)
	}
	s.progress(0, total)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var n int
		if n, trees = s.fill(trees); len(s.ready) == 0 {
			return nil
		}
		if err := s.m.ForwardParallel(s.steps); err != nil {
			return err
		}
		if err := s.advance(done); err != nil {
			return err
		}
		computed += int64(n)
		s.progress(computed, total)
	}
}

// fill gathers tokens for a run, of nodes that are ready and then of trees that are
// begun. It returns how many, and the trees that are left.
func (s *Scorer) fill(trees []*tree) (int, []*tree) {
	s.steps = s.steps[:0]
	left := rows
	for i := 0; left > 0; i++ {
		if i == len(s.ready) {
			if len(trees) == 0 || trees[0].slots > s.slots || trees[0].blocks > s.room {
				break
			}
			s.begin(trees[0])
			trees = trees[1:]
		}
		n := s.ready[i]
		part := n.tokens[n.done:min(len(n.tokens), n.done+left)]
		if len(part) > 0 {
			s.steps = append(s.steps, s.step(n.node, part))
			n.done += len(part)
			left -= len(part)
		}
	}
	return rows - left, trees
}

// begin claims what a tree needs at most.
func (s *Scorer) begin(t *tree) {
	s.slots -= t.slots
	s.room -= t.blocks
	t.nodes = 1
	t.root.slot = s.take()
	s.ready = append(s.ready, claimed{t.root, t})
}

func (s *Scorer) take() int {
	last := len(s.free) - 1
	slot := s.free[last]
	s.free = s.free[:last]
	return slot
}

// advance puts the children of nodes that are computed in their places, and hands out
// the questions that are scored.
func (s *Scorer) advance(done func(*question) error) error {
	var next []claimed
	for _, n := range s.ready {
		if n.done < len(n.tokens) {
			next = append(next, n)
			continue
		}
		for i, c := range n.children {
			if c.slot = n.slot; i > 0 {
				c.slot = s.take()
				s.m.Fork(n.slot, c.slot)
			}
			next = append(next, claimed{c, n.tree})
		}
		if err := s.leave(n, done); err != nil {
			return err
		}
	}
	s.ready = next
	return nil
}

// leave ends a node that is computed.
func (s *Scorer) leave(n claimed, done func(*question) error) error {
	n.tree.nodes += len(n.children) - 1
	if len(n.children) == 0 {
		s.m.Truncate(n.slot, 0)
		s.free = append(s.free, n.slot)
	}
	if n.tree.nodes == 0 {
		s.slots += n.tree.slots
		s.room += n.tree.blocks
	}
	for _, seq := range n.seqs {
		if len(seq.input()) != n.start+len(n.tokens) {
			continue
		}
		if seq.of.left--; seq.of.left == 0 {
			if err := done(seq.of); err != nil {
				return err
			}
		}
	}
	return nil
}

// step is the next tokens of a node.
func (s *Scorer) step(n *node, part []int32) infer.Step {
	before := n.done
	step := infer.Step{Slot: n.slot, Tokens: part, Last: min(len(part), before+len(part)-n.wanted())}
	if step.Last > 0 {
		step.Logits = func(i int, logits []float32) { n.judge(s.m, n.start+before+i, logits) }
	}
	return step
}

// judge scores the tokens that come at position+1 by the logits there. Several workers
// call it, for different positions.
func (n *node) judge(m *infer.Model, position int, logits []float32) {
	top := m.Largest(logits)
	for _, s := range n.seqs {
		if i := position + 1 - s.from; i >= 0 {
			id := s.ids[position+1]
			s.logProbs[i] = float64(logits[id])
			// Of several the first is the likeliest, as PyTorch's argmax has it.
			s.likely[i] = logits[id] == top && slices.Index(logits, top) == int(id)
		}
	}
	lse := m.LogSumExp(logits)
	for _, s := range n.seqs {
		if i := position + 1 - s.from; i >= 0 {
			s.logProbs[i] -= lse
		}
	}
}
