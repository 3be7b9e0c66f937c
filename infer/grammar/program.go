package grammar

import (
	"fmt"
	"slices"
)

// Program is a compiled grammar.
type Program struct {
	nodes   []node
	objects []object
	start   int32
	useful  []bool     // nodes from which the end of their rule can be reached
	class   [256]uint8 // of a byte: bytes of one class are the same to every node
	first   []byte     // a byte of each class
}

// kind is what a node does.
type kind uint8

const (
	eat   kind = iota // takes a byte from lo to hi and goes on at next
	split             // goes on at any of to
	call              // goes through the rule at target, then on at next
	ret               // ends a rule
	// The members of an object: before the first, after one, and behind a comma.
	opened
	more
	pick
)

// node is a place in a grammar. The bits that the members of an object set travel along
// within a rule.
type node struct {
	kind         kind
	lo, hi       byte
	next, target int32
	to           []int32
	object       int32
}

// object has the members that may stand in any order.
type object struct {
	members    []member
	required   uint64 // bits of members that must be there
	additional int32  // rule of a member of another name; none for none
	comma, end int32  // nodes: what parts members, and what ends the object
	after      int32  // the object's more node
}

type member struct {
	rule int32 // name and value
}

const none = -1

// maxNodes bounds a program.
const maxNodes = 1 << 18

// builder makes a program from its end to its beginning: each method returns the node at
// which what it describes begins, and takes the one that follows.
type builder struct {
	Program
	done int32 // a ret node
	ws   int32 // rule of blanks that JSON may have
	any  int32 // rule of any JSON value; none until it is wanted
	text [3]int32
}

func newBuilder() *builder {
	b := &builder{any: none, text: [3]int32{none, none, none}}
	b.done = b.add(node{kind: ret})
	b.ws = b.blanks()
	return b
}

func (b *builder) add(n node) int32 {
	b.nodes = append(b.nodes, n)
	return int32(len(b.nodes) - 1)
}

// span is a byte from lo to hi.
func (b *builder) span(lo, hi byte, next int32) int32 {
	return b.add(node{kind: eat, lo: lo, hi: hi, next: next})
}

// literal is a text, byte for byte.
func (b *builder) literal(text string, next int32) int32 {
	for i := len(text) - 1; i >= 0; i-- {
		next = b.span(text[i], text[i], next)
	}
	return next
}

// oneOf are alternatives.
func (b *builder) oneOf(to ...int32) int32 {
	if len(to) == 1 {
		return to[0]
	}
	return b.add(node{kind: split, to: to})
}

// through is a rule and then what follows.
func (b *builder) through(rule, next int32) int32 {
	return b.add(node{kind: call, target: rule, next: next})
}

// bytesOf is one byte of several.
func (b *builder) bytesOf(set string, next int32) int32 {
	var to []int32
	for i := range len(set) {
		to = append(to, b.span(set[i], set[i], next))
	}
	return b.oneOf(to...)
}

// repeat is a rule from least to most times; most below 0 is without end.
func (b *builder) repeat(rule int32, least, most int, next int32) int32 {
	at := next
	if most < 0 {
		at = b.add(node{kind: split})
		b.nodes[at].to = []int32{b.through(rule, at), next}
	}
	for n := most; n > least; n-- {
		at = b.oneOf(b.through(rule, at), next)
	}
	for range least {
		at = b.through(rule, at)
	}
	return at
}

// indent is how many blanks may stand behind a line feed. A model that writes nothing but
// blanks would never end.
const indent = 32

// blanks is none, one, or a line feed with an indent.
func (b *builder) blanks() int32 {
	at := b.done
	for range indent {
		at = b.oneOf(b.span(' ', ' ', at), b.done)
	}
	return b.oneOf(b.done, b.span(' ', ' ', b.done), b.span('\n', '\n', at))
}

// spaced is blanks, and then what follows.
func (b *builder) spaced(next int32) int32 { return b.through(b.ws, next) }

// compile makes a program that begins at start, after an optional blank, which words of a
// SentencePiece begin with.
func (b *builder) compile(start int32) (*Program, error) {
	p := &b.Program
	p.start = b.oneOf(start, b.span(' ', ' ', start))
	if len(p.nodes) > maxNodes {
		return nil, fmt.Errorf("the grammar has %d places, at most %d are taken\nhint: shorter maxLength and maxItems", len(p.nodes), maxNodes)
	}
	if rule, ok := p.circle(); ok {
		return nil, fmt.Errorf("the grammar goes round in a circle (place %d): a $ref that leads back to itself", rule)
	}
	p.findUseful()
	if !p.useful[p.start] {
		return nil, fmt.Errorf("no value fits")
	}
	p.classify()
	return p, nil
}

// findUseful marks the nodes from which their rule's end can be reached.
func (p *Program) findUseful() {
	p.useful = p.mark(func(n *node, is []bool) bool {
		switch n.kind {
		case eat:
			return is[n.next]
		case split, call, ret:
			return p.through(n, is)
		}
		o := &p.objects[n.object]
		for i, m := range o.members {
			if o.required>>i&1 != 0 && !is[m.rule] {
				return false
			}
		}
		return is[o.end]
	})
}

// empty marks the nodes whose rule can end without a byte.
func (p *Program) empty() []bool {
	return p.mark(func(n *node, is []bool) bool { return n.kind <= ret && n.kind != eat && p.through(n, is) })
}

// through says of a node that eats nothing whether marked ones lead to the end.
func (p *Program) through(n *node, is []bool) bool {
	switch n.kind {
	case split:
		return slices.ContainsFunc(n.to, func(to int32) bool { return is[to] })
	case call:
		return is[n.target] && is[n.next]
	}
	return true
}

// mark marks the nodes of which holds says so, which may ask for marks of those that they
// lead to.
func (p *Program) mark(holds func(n *node, is []bool) bool) []bool {
	waiting := make([][]int32, len(p.nodes)) // for a node: those that lead to it
	for i := range p.nodes {
		n := &p.nodes[i]
		for _, to := range p.leads(n) {
			waiting[to] = append(waiting[to], int32(i))
		}
	}
	is := make([]bool, len(p.nodes))
	var left []int32
	for i := range p.nodes {
		left = append(left, int32(i))
	}
	for len(left) > 0 {
		i := left[len(left)-1]
		left = left[:len(left)-1]
		if !is[i] && holds(&p.nodes[i], is) {
			is[i] = true
			left = append(left, waiting[i]...)
		}
	}
	return is
}

// leads are the nodes that a node's mark hangs on.
func (p *Program) leads(n *node) []int32 {
	switch n.kind {
	case eat:
		return []int32{n.next}
	case split:
		return n.to
	case call:
		return []int32{n.target, n.next}
	case ret:
		return nil
	}
	o := &p.objects[n.object]
	to := []int32{o.end}
	for i, m := range o.members {
		if o.required>>i&1 != 0 {
			to = append(to, m.rule)
		}
	}
	return to
}

// circle finds a rule that calls itself before it eats a byte.
func (p *Program) circle() (rule int32, found bool) {
	empty := p.empty()
	calls := map[int32][]int32{} // of a rule, those that it calls first
	firsts := func(rule int32) (list []int32) {
		seen := map[int32]bool{}
		var walk func(at int32)
		walk = func(at int32) {
			if seen[at] {
				return
			}
			seen[at] = true
			switch n := &p.nodes[at]; n.kind {
			case split:
				for _, to := range n.to {
					walk(to)
				}
			case call:
				list = append(list, n.target)
				if empty[n.target] {
					walk(n.next)
				}
			}
		}
		walk(rule)
		return list
	}
	state := map[int32]int{} // 1 while it is walked, 2 after
	var visit func(rule int32) (int32, bool)
	visit = func(rule int32) (int32, bool) {
		switch state[rule] {
		case 1:
			return rule, true
		case 2:
			return 0, false
		}
		state[rule] = 1
		if calls[rule] == nil {
			calls[rule] = firsts(rule)
		}
		for _, to := range calls[rule] {
			if at, ok := visit(to); ok {
				return at, true
			}
		}
		state[rule] = 2
		return 0, false
	}
	if at, ok := visit(p.start); ok {
		return at, true
	}
	for _, n := range p.nodes {
		if n.kind == call {
			if at, ok := visit(n.target); ok {
				return at, true
			}
		}
	}
	for _, o := range p.objects {
		for _, m := range o.members {
			if at, ok := visit(m.rule); ok {
				return at, true
			}
		}
	}
	return 0, false
}

// classify parts the bytes at the ends of all ranges.
func (p *Program) classify() {
	var cut [257]bool
	for _, n := range p.nodes {
		if n.kind == eat {
			cut[n.lo], cut[int(n.hi)+1] = true, true
		}
	}
	for b := range 256 {
		if b == 0 || cut[b] {
			p.first = append(p.first, byte(b))
		}
		p.class[b] = uint8(len(p.first) - 1)
	}
}
