package infer

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/op"
)

const (
	maxRows   = 512 // tokens of one run
	maxWanted = 64  // logits of one run of the head
)

// cached computes new tokens with a KV cache. Blocks of the cache are given to a
// sequence as it grows, and may be several sequences'; memory that no sequence has had
// yet is not there.
type cached struct {
	m      *Model
	cache  op.Cache
	memory engine.Memory
	tensor *engine.Tensor
	free   []int32 // blocks, the next one last
	shares []int32 // of each block, the sequences that have it
	table  []int32 // [slots, blocks of a sequence]
	used   []int   // blocks of each slot
	bodies map[int]*cachedProgram
	heads  map[int]*cachedProgram
	// what a run reads, as long as its program asks
	tokens, positions, sequences []int32
	asked                        []wanted
	first                        int       // of asked, in a run of the head
	hidden, logits               []float32 // of it
	steps                        []Step
	hand                         func(i int)
}

// wanted is a row of logits: that of row row, the i-th token of a step.
type wanted struct{ row, step, i int }

type cachedProgram struct {
	graph *arch.Graph
	vm    *engine.VM
}

func newCached(m *Model, o LoadOptions) (*cached, error) {
	table := m.Config.Cache(m.context, 1).Table()
	blocks := len(m.slots) * table
	if n := (o.CacheTokens + op.CacheBlock - 1) / op.CacheBlock; n > 0 {
		blocks = max(min(n, blocks), table)
	}
	c := &cached{
		m: m, cache: m.Config.Cache(m.context, blocks), bodies: map[int]*cachedProgram{}, heads: map[int]*cachedProgram{},
		shares: make([]int32, blocks), table: make([]int32, len(m.slots)*table), used: make([]int, len(m.slots)),
		tokens: make([]int32, 0, maxRows), positions: make([]int32, 0, maxRows), sequences: make([]int32, 0, maxRows),
		hidden: make([]float32, 0, maxWanted*m.Config.Dim),
	}
	c.hand = c.handOut
	for b := range blocks {
		c.free = append(c.free, int32(blocks-1-b))
	}
	t := o.CacheType
	size := c.cache.Shape()
	var err error
	if c.memory, err = m.dev.Alloc(int64(size.TotalSize()) * t.Size()); err != nil {
		return nil, fmt.Errorf("infer: a KV cache of %d tokens: %w", blocks*op.CacheBlock, err)
	}
	c.tensor = engine.View(c.memory.Pointer(), t, size...)
	return c, nil
}

func (c *cached) close() error {
	var errs []error
	for _, programs := range []map[int]*cachedProgram{c.bodies, c.heads} {
		for _, p := range programs {
			errs = append(errs, p.vm.Close())
		}
	}
	return errors.Join(append(errs, c.memory.Free())...)
}

// powerFrom is the least power of two from n on.
func powerFrom(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// body is the program for some rows, up to what the head reads.
func (c *cached) body(rows int) (*cachedProgram, error) {
	rows = powerFrom(rows)
	if p := c.bodies[rows]; p != nil {
		return p, nil
	}
	g, err := c.m.Config.BuildCached(rows, len(c.m.slots), c.cache)
	if err != nil {
		return nil, err
	}
	return c.compile(c.bodies, rows, g, g.Hidden, map[*gorgonia.Node]*engine.Tensor{g.Cached.Memory: c.tensor})
}

// head is the program for the logits of some rows.
func (c *cached) head(rows int) (*cachedProgram, error) {
	rows = powerFrom(rows)
	if p := c.heads[rows]; p != nil {
		return p, nil
	}
	g, err := c.m.Config.BuildHead(rows)
	if err != nil {
		return nil, err
	}
	return c.compile(c.heads, rows, g, g.Logits, nil)
}

// compile keeps a program that could be made.
func (c *cached) compile(programs map[int]*cachedProgram, rows int, g *arch.Graph, out *gorgonia.Node, bound map[*gorgonia.Node]*engine.Tensor) (*cachedProgram, error) {
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{out}, Weights: c.m.weights, Bound: bound}, c.m.dev, engine.Options{})
	if err != nil {
		return nil, err
	}
	programs[rows] = &cachedProgram{g, vm}
	return programs[rows], nil
}

// blocksOf is how many blocks hold n tokens.
func blocksOf(n int) int { return (n + op.CacheBlock - 1) / op.CacheBlock }

// truncate gives back the blocks that hold no token any more.
func (c *cached) truncate(slot, n int) {
	for keep := blocksOf(n); c.used[slot] > keep; {
		c.used[slot]--
		c.release(c.blocks(slot)[c.used[slot]])
	}
}

// release gives back a sequence's share of a block.
func (c *cached) release(block int32) {
	if c.shares[block]--; c.shares[block] == 0 {
		c.free = append(c.free, block)
	}
}

func (c *cached) take() int32 {
	last := len(c.free) - 1
	block := c.free[last]
	c.free = c.free[:last]
	c.shares[block] = 1
	return block
}

func (c *cached) fork(from, to int) {
	c.used[to] = copy(c.blocks(to), c.blocks(from)[:c.used[from]])
	for _, block := range c.blocks(to)[:c.used[to]] {
		c.shares[block]++
	}
}

// shared reports whether the n-th token of a slot comes into a block that other
// sequences have too.
func (c *cached) shared(slot, n int) bool {
	i := n / op.CacheBlock
	return i < c.used[slot] && c.shares[c.blocks(slot)[i]] > 1
}

// room is what the interface says. A step wants new blocks, and a copy of the one that it
// goes on in if others have it; the last that has it needs none.
func (c *cached) room(steps []Step) error {
	wants := 0
	for i, s := range steps {
		n := len(c.m.slots[s.Slot].tokens)
		wants += max(0, blocksOf(n+len(s.Tokens))-c.used[s.Slot])
		if len(s.Tokens) == 0 || !c.shared(s.Slot, n) {
			continue
		}
		block, before := c.blocks(s.Slot)[n/op.CacheBlock], int32(0)
		for _, other := range steps[:i] {
			at := len(c.m.slots[other.Slot].tokens) / op.CacheBlock
			if len(other.Tokens) > 0 && at < c.used[other.Slot] && c.blocks(other.Slot)[at] == block {
				before++
			}
		}
		if before < c.shares[block]-1 {
			wants++
		}
	}
	if wants > len(c.free) {
		return fmt.Errorf("the KV cache of %d tokens has %d blocks of %d left: %d are wanted", c.cache.Blocks*op.CacheBlock, len(c.free), op.CacheBlock, wants)
	}
	return nil
}

func (c *cached) blocks(slot int) []int32 {
	n := c.cache.Table()
	return c.table[slot*n : (slot+1)*n]
}

// grow makes a place for the n-th token of a slot.
func (c *cached) grow(slot, n int) {
	i := n / op.CacheBlock
	switch {
	case i == c.used[slot]:
		c.blocks(slot)[i] = c.take()
		c.used[slot]++
	case c.shared(slot, n):
		was, own := c.blocks(slot)[i], c.take()
		size := c.tensor.DType.Size() * int64(c.cache.Keys(1, 0, 0))
		memory := unsafe.Slice((*byte)(c.tensor.Pointer()), size*int64(c.cache.Blocks))
		copy(memory[int64(own)*size:][:size], memory[int64(was)*size:])
		c.release(was)
		c.blocks(slot)[i] = own
	}
}

// run cuts the steps into runs of at most maxRows tokens.
func (c *cached) run(steps []Step, each func(n int, f func(i int))) error {
	c.reset()
	c.steps = steps
	defer func() { c.steps = nil }()
	for i := range steps {
		s := &steps[i]
		first := s.firstWanted()
		for n, id := range s.Tokens {
			if len(c.tokens) == maxRows {
				if err := c.flush(each); err != nil {
					return err
				}
			}
			slot := &c.m.slots[s.Slot]
			c.grow(s.Slot, len(slot.tokens))
			if n >= first {
				c.asked = append(c.asked, wanted{len(c.tokens), i, n})
			}
			c.tokens = append(c.tokens, id)
			c.positions = append(c.positions, int32(len(slot.tokens)))
			c.sequences = append(c.sequences, int32(s.Slot))
			slot.tokens = append(slot.tokens, id)
		}
	}
	return c.flush(each)
}

func (c *cached) reset() {
	c.tokens, c.positions, c.sequences, c.asked = c.tokens[:0], c.positions[:0], c.sequences[:0], c.asked[:0]
}

// flush runs the rows that were gathered.
func (c *cached) flush(each func(n int, f func(i int))) error {
	if len(c.tokens) == 0 {
		return nil
	}
	p, err := c.body(len(c.tokens))
	if err != nil {
		return err
	}
	for len(c.tokens)&(len(c.tokens)-1) != 0 { // rows that are no tokens
		c.tokens, c.positions, c.sequences = append(c.tokens, 0), append(c.positions, 0), append(c.sequences, -1)
	}
	in := p.graph.Cached
	for _, i := range []struct {
		node *gorgonia.Node
		ids  []int32
	}{{p.graph.Tokens, c.tokens}, {in.Positions, c.positions}, {in.Sequences, c.sequences}, {in.Table, c.table}} {
		if err := engine.Write(p.vm.Input(i.node), i.ids); err != nil {
			return err
		}
	}
	if err := p.vm.RunAll(); err != nil {
		return err
	}
	hidden := p.vm.Output(p.graph.Hidden).Float32s()
	for c.first = 0; c.first < len(c.asked); c.first += maxWanted {
		if err := c.judge(hidden, min(maxWanted, len(c.asked)-c.first), each); err != nil {
			return err
		}
	}
	c.reset()
	return nil
}

// judge hands out the logits of n rows that are asked for, from c.first on.
func (c *cached) judge(hidden []float32, n int, each func(n int, f func(i int))) error {
	p, err := c.head(n)
	if err != nil {
		return err
	}
	dim := c.m.Config.Dim
	c.hidden = c.hidden[:0]
	for _, a := range c.asked[c.first:][:n] {
		c.hidden = append(c.hidden, hidden[a.row*dim:][:dim]...)
	}
	clear(c.hidden[len(c.hidden) : powerFrom(n)*dim])
	if err := engine.Write(p.vm.Input(p.graph.Hidden), c.hidden[:powerFrom(n)*dim]); err != nil {
		return err
	}
	if err := p.vm.RunAll(); err != nil {
		return err
	}
	c.logits = p.vm.Output(p.graph.Logits).Float32s()
	each(n, c.hand)
	return nil
}

// handOut gives the i-th row of logits of a run of the head to whoever asked for it.
func (c *cached) handOut(i int) {
	a, v := c.asked[c.first+i], c.m.Config.VocabSize
	c.steps[a.step].Logits(a.i, c.logits[i*v:(i+1)*v])
}
