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
// scaled output are made again, which costs a pass over memory and no product.
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
	mode    Recompute
	leaving map[*value]bool // values that a later block reads
	again   map[*value]*value
	steps   []*step
}

func (pl *plan) recompute(mode Recompute) {
	r := repeater{mode: mode, leaving: map[*value]bool{}, again: map[*value]*value{}}
	for _, s := range pl.steps {
		for _, v := range s.in {
			if !s.backward && v.def != nil && block(v.def.op) != block(s.op) {
				r.leaving[v] = true
			}
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
	b, _, _ := strings.Cut(o.Place(), ".")
	return b
}

// repeat returns v made again, or v itself where it is kept.
func (r *repeater) repeat(v *value) *value {
	if w := r.again[v]; w != nil {
		return w
	}
	if v.def == nil || v.def.backward || v.keep || r.leaving[v] {
		return v
	}
	o, fromXhat := v.def.op, false
	switch o.(type) {
	case op.SwiGLUOp, op.ReLUOp:
	case op.RMSNormOp:
		if r.mode != RecomputeBlock {
			if v.part != 0 {
				return v
			}
			fromXhat = true
		}
	case op.LinearOp, op.AttentionOp:
		inAttention := strings.Contains(o.Place(), ".attn")
		if r.mode == RecomputeNone || r.mode == RecomputeAttention && !inAttention {
			return v
		}
	default:
		if r.mode != RecomputeBlock {
			return v
		}
	}
	if r.mode == RecomputeBlock && block(o) == o.Place() {
		return v // outside the blocks: the final norm
	}
	s := &step{op: o, backward: true, repeated: true, store: make([]Store, len(v.def.store)), out: make([]*value, len(v.def.out))}
	if fromXhat {
		norm := o.(op.RMSNormOp)
		s.op, s.in = norm.Again(), []*value{r.xhat(v.def), v.def.in[1]}
		s.out = make([]*value, 1)
		s.store = s.store[:1]
		r.copyResult(s, 0, v)
	} else {
		for _, in := range v.def.in {
			s.in = append(s.in, r.repeat(in))
		}
		for i, out := range v.def.out {
			if out != nil {
				r.copyResult(s, i, out)
			}
		}
	}
	r.steps = append(r.steps, s)
	return r.again[v]
}

// xhat is part 1 of a norm, which its gradient reads in any case.
func (r *repeater) xhat(norm *step) *value {
	if norm.out[1] == nil {
		panic("engine: a norm's output is needed in the backward pass without its gradient")
	}
	return norm.out[1]
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
