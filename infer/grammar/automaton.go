package grammar

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
)

// frame is a stack: the node to go on at, with the members of its object that are there,
// and below it where to return to. Equal stacks are one pointer.
type frame struct {
	symbol
	below *frame
	id    uint64
}

type symbol struct {
	node int32
	seen uint64
}

type frameKey struct {
	symbol
	below *frame
}

// state is what the texts of one kind have in common: all that may follow.
type state struct {
	tops    []*frame // at nodes that eat, by their ids
	accepts bool     // the text may end here
	next    []*state // by class of bytes; nil until it is asked for
	mask    []uint64 // of tokens; nil until it is asked for
}

// dead is the state of a text that does not fit.
var dead = &state{}

// maxStates bounds the states that are kept at once, maxMasks the bytes of their masks.
const (
	maxStates = 1 << 16
	maxMasks  = 1 << 26
)

// Grammar is a program for a vocabulary. It may be used by several goroutines at once.
type Grammar struct {
	p *Program
	v *Vocabulary

	mu     sync.Mutex
	frames map[frameKey]*frame
	states map[string]*state
	ids    uint64
	masks  int // bytes
	begin  *state
}

// Grammar is a program for the vocabulary's tokens.
func (v *Vocabulary) Grammar(p *Program) *Grammar {
	g := &Grammar{p: p, v: v}
	g.forget()
	g.begin = g.enter([]*frame{g.frame(symbol{node: p.start}, nil)})
	return g
}

// forget drops what was found. States that are in use stay with who uses them.
func (g *Grammar) forget() {
	g.frames, g.states, g.masks = map[frameKey]*frame{}, map[string]*state{}, 0
}

func (g *Grammar) frame(s symbol, below *frame) *frame {
	key := frameKey{s, below}
	f := g.frames[key]
	if f == nil {
		g.ids++
		f = &frame{s, below, g.ids}
		g.frames[key] = f
	}
	return f
}

// enter is the state of the stacks, gone on to where each eats a byte.
func (g *Grammar) enter(from []*frame) *state {
	var tops []*frame
	accepts := false
	seen := map[*frame]bool{}
	for len(from) > 0 {
		f := from[len(from)-1]
		from = from[:len(from)-1]
		if f == nil {
			accepts = true
			continue
		}
		if seen[f] || !g.p.useful[f.node] {
			continue
		}
		seen[f] = true
		n := &g.p.nodes[f.node]
		goTo := func(node int32) { from = append(from, g.frame(symbol{node, f.seen}, f.below)) }
		switch n.kind {
		case eat:
			tops = append(tops, f)
		case split:
			for _, to := range n.to {
				goTo(to)
			}
		case call:
			from = append(from, g.enterRule(n.target, symbol{n.next, f.seen}, f.below))
		case ret:
			from = append(from, f.below)
		default:
			o := &g.p.objects[n.object]
			if o.required&^f.seen == 0 && n.kind != pick {
				goTo(o.end)
			}
			if n.kind == more {
				if o.left(g.p, f.seen) {
					goTo(o.comma)
				}
				continue
			}
			for i, m := range o.members {
				if f.seen>>i&1 == 0 && g.p.useful[m.rule] {
					from = append(from, g.enterRule(m.rule, symbol{o.after, f.seen | 1<<i}, f.below))
				}
			}
			if o.additional != none && g.p.useful[o.additional] {
				from = append(from, g.enterRule(o.additional, symbol{o.after, f.seen}, f.below))
			}
		}
	}
	if len(tops) == 0 && !accepts {
		return dead
	}
	slices.SortFunc(tops, func(a, b *frame) int { return cmp.Compare(a.id, b.id) })
	key := make([]byte, 0, 8*len(tops)+1)
	for _, f := range tops {
		key = binary.LittleEndian.AppendUint64(key, f.id)
	}
	if accepts {
		key = append(key, 1)
	}
	s := g.states[string(key)]
	if s == nil {
		if len(g.states) >= maxStates || g.masks >= maxMasks {
			g.forget()
		}
		s = &state{tops: tops, accepts: accepts, next: make([]*state, len(g.p.first))}
		g.states[string(key)] = s
	}
	return s
}

// enterRule is a rule with where it returns to, which is left out where nothing follows.
func (g *Grammar) enterRule(rule int32, back symbol, below *frame) *frame {
	if g.p.nodes[back.node].kind != ret {
		below = g.frame(back, below)
	}
	return g.frame(symbol{node: rule}, below)
}

// left says whether there is a member that may still be added.
func (o *object) left(p *Program, seen uint64) bool {
	if o.additional != none && p.useful[o.additional] {
		return true
	}
	for i, m := range o.members {
		if seen>>i&1 == 0 && p.useful[m.rule] {
			return true
		}
	}
	return false
}

// step is the state after a byte.
func (g *Grammar) step(s *state, c byte) *state {
	if s == dead {
		return dead
	}
	class := g.p.class[c]
	if s.next[class] == nil {
		var from []*frame
		for _, f := range s.tops {
			if n := &g.p.nodes[f.node]; n.lo <= c && c <= n.hi {
				from = append(from, g.frame(symbol{n.next, f.seen}, f.below))
			}
		}
		s.next[class] = g.enter(from)
	}
	return s.next[class]
}

// final says that nothing may follow.
func (s *state) final() bool { return s.accepts && len(s.tops) == 0 }
