package infer

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/op"
)

const (
	maxRows   = 512 // tokens of one run
	maxWanted = 64  // logits of one run
)

// cached computes new tokens with a KV cache. Blocks of the cache are given to a
// sequence as it grows; memory that no sequence has had yet is not there.
type cached struct {
	m        *Model
	cache    op.Cache
	memory   engine.Memory
	tensor   *engine.Tensor
	free     []int32 // blocks, the next one last
	table    []int32 // [slots, blocks of a sequence]
	used     []int   // blocks of each slot
	programs map[shape]*cachedProgram
	// what a run reads, as long as its program asks
	tokens, positions, sequences, wanted []int32
	asked                                []wanted
}

// shape is a program's: rows and how many of them have logits.
type shape struct{ rows, wanted int }

// wanted is a row of logits: the i-th token of a step.
type wanted struct{ step, i int }

type cachedProgram struct {
	graph *arch.Graph
	vm    *engine.VM
}

func newCached(m *Model, t engine.DType) (*cached, error) {
	blocks := len(m.slots) * m.Config.Cache(m.context, 1).Table()
	c := &cached{
		m: m, cache: m.Config.Cache(m.context, blocks), programs: map[shape]*cachedProgram{},
		table: make([]int32, blocks), used: make([]int, len(m.slots)),
		tokens: make([]int32, 0, maxRows), positions: make([]int32, 0, maxRows), sequences: make([]int32, 0, maxRows), wanted: make([]int32, 0, maxWanted),
	}
	for b := range blocks {
		c.free = append(c.free, int32(blocks-1-b))
	}
	size := c.cache.Shape()
	var err error
	if c.memory, err = m.dev.Alloc(int64(size.TotalSize()) * t.Size()); err != nil {
		return nil, fmt.Errorf("infer: a KV cache of %d sequences of %d tokens: %w", len(m.slots), m.context, err)
	}
	c.tensor = engine.View(c.memory.Pointer(), t, size...)
	return c, nil
}

func (c *cached) close() error {
	var errs []error
	for _, p := range c.programs {
		errs = append(errs, p.vm.Close())
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

func (c *cached) program(rows, wanted int) (*cachedProgram, error) {
	s := shape{powerFrom(rows), powerFrom(wanted)}
	if p := c.programs[s]; p != nil {
		return p, nil
	}
	g, err := c.m.Config.BuildCached(s.rows, s.wanted, len(c.m.slots), c.cache)
	if err != nil {
		return nil, err
	}
	vm, err := engine.Compile(engine.Program{
		Outputs: []*gorgonia.Node{g.Logits}, Weights: c.m.weights,
		Bound: map[*gorgonia.Node]*engine.Tensor{g.Cached.Memory: c.tensor},
	}, c.m.dev, engine.Options{})
	if err != nil {
		return nil, err
	}
	c.programs[s] = &cachedProgram{g, vm}
	return c.programs[s], nil
}

// truncate gives back the blocks that hold no token any more.
func (c *cached) truncate(slot, n int) {
	keep := (n + op.CacheBlock - 1) / op.CacheBlock
	for c.used[slot] > keep {
		c.used[slot]--
		c.free = append(c.free, c.blocks(slot)[c.used[slot]])
	}
}

func (c *cached) blocks(slot int) []int32 {
	n := c.cache.Table()
	return c.table[slot*n : (slot+1)*n]
}

// grow takes blocks for n tokens of a slot.
func (c *cached) grow(slot, n int) {
	for c.used[slot]*op.CacheBlock < n {
		last := len(c.free) - 1
		c.blocks(slot)[c.used[slot]] = c.free[last]
		c.free = c.free[:last]
		c.used[slot]++
	}
}

// run cuts the steps into runs of at most maxRows tokens and maxWanted logits.
func (c *cached) run(steps []Step) error {
	c.reset()
	for i := range steps {
		s := &steps[i]
		for n, id := range s.Tokens {
			wants := s.Logits != nil && (s.All || n == len(s.Tokens)-1)
			if len(c.tokens) == maxRows || wants && len(c.wanted) == maxWanted {
				if err := c.flush(steps); err != nil {
					return err
				}
			}
			slot := &c.m.slots[s.Slot]
			c.grow(s.Slot, len(slot.tokens)+1)
			if wants {
				c.wanted = append(c.wanted, int32(len(c.tokens)))
				c.asked = append(c.asked, wanted{i, n})
			}
			c.tokens = append(c.tokens, id)
			c.positions = append(c.positions, int32(len(slot.tokens)))
			c.sequences = append(c.sequences, int32(s.Slot))
			slot.tokens = append(slot.tokens, id)
		}
	}
	return c.flush(steps)
}

func (c *cached) reset() {
	c.tokens, c.positions, c.sequences, c.wanted, c.asked = c.tokens[:0], c.positions[:0], c.sequences[:0], c.wanted[:0], c.asked[:0]
}

// flush runs the rows that were gathered.
func (c *cached) flush(steps []Step) error {
	if len(c.tokens) == 0 {
		return nil
	}
	p, err := c.program(len(c.tokens), max(len(c.wanted), 1))
	if err != nil {
		return err
	}
	for len(c.tokens)&(len(c.tokens)-1) != 0 { // rows that are no tokens
		c.tokens, c.positions, c.sequences = append(c.tokens, 0), append(c.positions, 0), append(c.sequences, -1)
	}
	for len(c.wanted) == 0 || len(c.wanted)&(len(c.wanted)-1) != 0 {
		c.wanted = append(c.wanted, 0)
	}
	in := p.graph.Cached
	for _, i := range []struct {
		node *gorgonia.Node
		ids  []int32
	}{{p.graph.Tokens, c.tokens}, {in.Positions, c.positions}, {in.Sequences, c.sequences}, {in.Table, c.table}, {in.Wanted, c.wanted}} {
		if err := engine.Write(p.vm.Input(i.node), i.ids); err != nil {
			return err
		}
	}
	if err := p.vm.RunAll(); err != nil {
		return err
	}
	logits, v := p.vm.Output(p.graph.Logits).Float32s(), c.m.Config.VocabSize
	for i, a := range c.asked {
		steps[a.step].Logits(a.i, logits[i*v:(i+1)*v])
	}
	c.reset()
	return nil
}
