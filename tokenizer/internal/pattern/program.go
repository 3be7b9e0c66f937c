package pattern

import (
	"errors"
	"fmt"

	"mobilellm/tokenizer/internal/chars"
)

// MaxSteps bounds the program of an expression, {m,n} written out.
const MaxSteps = 2000

var errTooLong = errors.New("too long")

// operation is what a step does.
type operation uint8

const (
	opChar     operation = iota // one character of the set, then next
	opBackChar                  // the same before the place
	opRun                       // min to max characters of the set, as many as there are, then next
	opSplit                     // next, or if that fails other
	opLook                      // inner must match, or not, then next
	opAtomic                    // inner's first match, then other where that is empty, else next
	opPlace                     // a condition, then next
	opMatch
)

// step is an instruction.
type step struct {
	op         operation
	behind     bool // opLook
	negate     bool
	possessive bool // opRun: gives nothing back
	where      place
	set        *chars.Set
	next       int32
	other      int32
	inner      int32
	min, max   int32
	plain      int32 // opRun without bound: the same as single steps, whose states can be remembered
	memo       int32 // opSplit, opRun: its number among those

	nextFirst, otherFirst *firsts // opSplit, and the first of opRun, too
}

// compiler writes a program from its end: every part knows what follows it.
type compiler struct {
	steps   []step
	choices int32
	parts   int // that were written; some are no step
	err     error
}

func compile(n node) ([]step, int32, int32, error) {
	c := &compiler{}
	end := c.emit(step{op: opMatch})
	start := c.part(n, end, end, false)
	return c.steps, start, c.choices, c.err
}

func (c *compiler) emit(s step) int32 {
	if len(c.steps) >= MaxSteps {
		c.err = fmt.Errorf("%w: more than %d steps", errTooLong, MaxSteps)
		return 0
	}
	c.steps = append(c.steps, s)
	return int32(len(c.steps) - 1)
}

// choice numbers a step from which there are several ways.
func (c *compiler) choice() int32 {
	c.choices++
	return c.choices - 1
}

func (c *compiler) split(next, other int32) int32 {
	return c.emit(step{op: opSplit, next: next, other: other, memo: c.choice()})
}

// part writes a part and returns where it begins. Behind it comes empty where it has
// matched nothing, and taken where it has matched something: an iteration of a loop that
// matches nothing ends the loop. Two places instead of a memory of where an iteration
// began make a state of step and place alone.
func (c *compiler) part(n node, empty, taken int32, backward bool) int32 {
	if c.parts++; c.parts > 16*MaxSteps && c.err == nil {
		c.err = fmt.Errorf("%w: repeated more than %d times", errTooLong, 16*MaxSteps)
	}
	if c.err != nil {
		return 0
	}
	switch n := n.(type) {
	case char:
		op := opChar
		if backward {
			op = opBackChar
		}
		return c.emit(step{op: op, set: n.set, next: taken})
	case sequence:
		return c.sequence(n, empty, taken, backward)
	case oneOf:
		at := c.part(n[len(n)-1], empty, taken, backward)
		for i := len(n) - 2; i >= 0; i-- {
			at = c.split(c.part(n[i], empty, taken, backward), at)
		}
		return at
	case repeat:
		return c.repeat(n, empty, taken, backward)
	case atomic:
		if r, ok := n.inner.(repeat); ok && !r.lazy && r.min > 0 {
			if set, ok := r.inner.(char); ok {
				return c.run(r, set.set, taken, true)
			}
		}
		end := c.emit(step{op: opMatch})
		return c.emit(step{op: opAtomic, inner: c.part(n.inner, end, end, false), next: taken, other: empty})
	case look:
		end := c.emit(step{op: opMatch})
		return c.emit(step{op: opLook, inner: c.part(n.inner, end, end, n.behind), behind: n.behind, negate: n.negate, next: empty})
	case place:
		return c.emit(step{op: opPlace, where: n, next: empty})
	}
	panic("pattern: unknown node")
}

func (c *compiler) sequence(n sequence, empty, taken int32, backward bool) int32 {
	for i := range n {
		part := n[len(n)-1-i]
		if backward {
			part = n[i]
		}
		switch {
		case empty == taken || part.minWidth() > 0:
			taken = c.part(part, taken, taken, backward)
			empty = taken
		default:
			empty, taken = c.part(part, empty, taken, backward), c.part(part, taken, taken, backward)
		}
	}
	return empty
}

func (c *compiler) repeat(r repeat, empty, taken int32, backward bool) int32 {
	if set, ok := r.inner.(char); ok && !r.lazy && !backward && (r.max < 0 || r.max > 1) {
		if r.min > 0 {
			return c.run(r, set.set, taken, false)
		}
		if empty == taken {
			return c.run(r, set.set, taken, false)
		}
		r.min = 1
		return c.split(c.run(r, set.set, taken, false), empty)
	}
	return c.loop(r, empty, taken, backward)
}

// run writes a run of characters of a set: in one step and, where it has no bound, in
// single ones, too.
func (c *compiler) run(r repeat, set *chars.Set, next int32, possessive bool) int32 {
	s := step{op: opRun, set: set, min: int32(r.min), max: int32(r.max), next: next, possessive: possessive}
	switch {
	case r.max >= 0:
		s.memo = c.choice()
	case possessive:
		end := c.emit(step{op: opMatch})
		s.plain = c.emit(step{op: opAtomic, inner: c.loop(r, end, end, false), next: next, other: next})
	default:
		s.plain = c.loop(r, next, next, false)
	}
	return c.emit(s)
}

// loop writes a repetition as single steps.
func (c *compiler) loop(r repeat, empty, taken int32, backward bool) int32 {
	again := func(body, exit int32) int32 {
		if r.lazy {
			return c.split(exit, body)
		}
		return c.split(body, exit)
	}
	first, then := empty, taken // after min iterations
	if r.max < 0 {
		first, then = c.endless(r, empty, taken, backward, again)
	}
	for i := r.min; i < r.max && c.err == nil; i++ {
		// Innermost first: what one more iteration leads to, or the exit.
		nextFirst := again(c.part(r.inner, first, then, backward), empty)
		if empty == taken {
			first, then = nextFirst, nextFirst
			continue
		}
		first, then = nextFirst, again(c.part(r.inner, then, then, backward), taken)
	}
	required := make(sequence, 0, min(r.min, MaxSteps))
	for range r.min {
		required = append(required, r.inner)
	}
	return c.sequence(required, first, then, backward)
}

// endless writes a loop without bound.
func (c *compiler) endless(r repeat, empty, taken int32, backward bool, again func(body, exit int32) int32) (first, then int32) {
	head := again(0, taken) // the body is yet to come
	set := func(body int32) {
		if r.lazy {
			c.steps[head].other = body
		} else {
			c.steps[head].next = body
		}
	}
	if r.inner.minWidth() > 0 {
		body := c.part(r.inner, head, head, backward)
		if c.err != nil {
			return 0, 0
		}
		set(body)
		if empty == taken {
			return head, head
		}
		return again(body, empty), head
	}
	body := c.part(r.inner, taken, head, backward)
	if c.err != nil {
		return 0, 0
	}
	set(body)
	if empty == taken {
		return head, head
	}
	return again(c.part(r.inner, empty, head, backward), empty), head
}
