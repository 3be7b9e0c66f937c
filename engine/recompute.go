package engine

import (
	"fmt"
	"slices"
	"strings"

	"mobilellm/engine/op"
)

// Recompute says which forward results are made again in the backward pass
// instead of being kept.
type Recompute uint8

// The ways to recompute. In all of them an activation function and a norm's
// scaled output are made again, which costs a pass over memory and no matmul.
const (
	RecomputeNone      Recompute = iota
	RecomputeAttention           // also q, k, v and the attention, from the norm before them
	RecomputeBlock               // everything inside a block, from the residual stream before it
)

func (r Recompute) String() string { return [...]string{"none", "attention", "block"}[r] }

// ParseRecompute reads none, attention or block.
func ParseRecompute(s string) (Recompute, error) {
	for _, r := range []Recompute{RecomputeNone, RecomputeAttention, RecomputeBlock} {
		if s == r.String() {
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown recompute %q: want none, attention or block", s)
}

// repeater makes forward results again just before the backward pass reads
// them. It works on the plan and not on the graph, in which gorgonia would
// merge a repeated node with its original.
type repeater struct {
	mode      Recompute
	leaving   map[*value]bool // values that a later block reads
	attention map[*value]bool // values that are made again with the attention
	again     map[*value]*value
	steps     []*step
}

func (pl *plan) recompute(mode Recompute) {
	r := repeater{mode: mode, leaving: map[*value]bool{}, attention: map[*value]bool{}, again: map[*value]*value{}}
	for _, s := range pl.steps {
		for _, v := range s.in {
			if !s.backward && v.def != nil && block(v.def.op) != block(s.op) {
				r.leaving[v] = true
			}
		}
	}
	for _, s := range pl.steps {
		if !s.backward && op.RecomputeOf(s.op) == op.WithAttention {
			r.withAttention(s)
		}
	}
	for _, s := range pl.steps {
		if s.backward {
			for i, v := range s.in {
				s.in[i] = r.repeat(v)
			}
		}
		r.steps = append(r.steps, s)
	}
	pl.steps = pruned(r.steps)
}

// block is the part of an operation's place that names its block: "17" of
// "17.attn.qkv".
func block(o op.Op) string {
	b, _, _ := strings.Cut(o.Scope(), ".")
	return b
}

// withAttention marks the results of a step and what its inputs are made of within
// its block, back to a norm, whose output is made again in any case.
func (r *repeater) withAttention(s *step) {
	for _, v := range s.out {
		if v != nil {
			r.attention[v] = true
		}
	}
	for _, v := range s.in {
		if v.def == nil || r.leaving[v] || r.attention[v] {
			continue
		}
		if _, norm := op.Remakes(v.def.op); !norm {
			r.withAttention(v.def)
		}
	}
}

// repeat returns v made again, or v itself where it is kept.
func (r *repeater) repeat(v *value) *value {
	if w := r.again[v]; w != nil {
		return w
	}
	if v.def == nil || v.def.backward || v.keep || r.leaving[v] {
		return v
	}
	if r.mode == RecomputeBlock {
		if block(v.def.op) == v.def.op.Scope() {
			return v // outside the blocks: the final norm
		}
		return r.repeatStep(v)
	}
	if o, ok := op.Remakes(v.def.op); ok {
		if m, ok := o.Remake(v.part); ok {
			return r.remake(v, m)
		}
		return v
	}
	if op.RecomputeOf(v.def.op) == op.Always || r.mode == RecomputeAttention && r.attention[v] {
		return r.repeatStep(v)
	}
	return v
}

// repeatStep makes v again from the inputs of its step, with the step's other
// results.
func (r *repeater) repeatStep(v *value) *value {
	s := &step{op: v.def.op, backward: true, repeated: true, store: make([]Store, len(v.def.store)), out: make([]*value, len(v.def.out))}
	for _, in := range v.def.in {
		s.in = append(s.in, r.repeat(in))
	}
	for i, out := range v.def.out {
		if out != nil {
			r.copyResult(s, i, out)
		}
	}
	r.steps = append(r.steps, s)
	return r.again[v]
}

// remake makes v again from another part of its step.
func (r *repeater) remake(v *value, m op.Remaking) *value {
	from := v.def.out[m.Part]
	if from == nil {
		return v // nothing below is trained, and there is no gradient to keep the other part for
	}
	s := &step{op: m.Op, in: []*value{from}, backward: true, repeated: true, store: make([]Store, 1), out: make([]*value, 1)}
	for _, i := range m.Inputs {
		s.in = append(s.in, v.def.in[i])
	}
	r.copyResult(s, 0, v)
	r.steps = append(r.steps, s)
	return r.again[v]
}

func (r *repeater) copyResult(s *step, part int, v *value) {
	w := *v
	w.name, w.def, w.part = v.name+".again", s, part
	s.out[part] = &w
	r.again[v] = &w
}

// pruned drops parts and steps that nobody reads.
func pruned(steps []*step) []*step {
	needed := map[*value]bool{}
	var kept []*step
	for _, s := range slices.Backward(steps) {
		used := false
		for i, v := range s.out {
			switch {
			case v == nil:
			case needed[v] || v.keep || v.home != nil:
				used = true
			default:
				s.out[i] = nil
			}
		}
		if !used {
			continue
		}
		for _, v := range s.in {
			needed[v] = true
		}
		kept = append(kept, s)
	}
	slices.Reverse(kept)
	return kept
}
