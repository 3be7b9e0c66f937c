package engine

import (
	"slices"

	"mobilellm/engine/op"
)

// alias lets the last term of a sum accumulate into the other term's memory
// and drops the addition: a matmul adds to the residual stream, a norm's
// gradient to the stream's gradient. It holds where the other term was made
// before, and is not read from then on.
//
// An operation that can overwrite an input does so where nothing else reads it.
func (pl *plan) alias() {
	order, uses := pl.order(), pl.uses()
	dropped := map[*step]bool{}
	for at, s := range pl.steps {
		if !isSum(s) {
			continue
		}
		for i, term := range s.in {
			base := s.in[1-i]
			if !canAccumulate(term) || len(uses[term]) != 1 || base.def == nil || base.keep || base.dtype != F32 ||
				base.root().home != nil || order[base.def] >= order[term.def] {
				continue
			}
			readLater := slices.ContainsFunc(uses[base], func(u int) bool { return u != at && u >= order[term.def] })
			if readLater {
				continue
			}
			term.into, s.out[0].into = base, base
			term.def.store[term.part] = Accumulate
			if s.out[0].keep {
				base.root().keep = true
			}
			dropped[s] = true
			break
		}
	}
	pl.steps = slices.DeleteFunc(pl.steps, func(s *step) bool { return dropped[s] })
	for _, s := range pl.steps {
		if i, ok := op.InPlace(s.op); ok {
			pl.replace(s.in[i], s.out[0], len(uses[s.in[i]]))
		}
	}
}

// replace lets a result lie in the place of an input that so many steps read.
func (pl *plan) replace(in, out *value, readers int) {
	if in.def == nil || in.root().home != nil || in.keep || out.into != nil || out.home != nil || readers != 1 {
		return
	}
	out.into = in
	if out.keep {
		in.root().keep = true
	}
}

// isSum reports whether a step adds two values.
func isSum(s *step) bool {
	_, ok := s.op.(op.AddOp)
	return ok
}

// canAccumulate reports whether the operation that makes v can add it to what
// is there.
func canAccumulate(v *value) bool {
	if v.def == nil || v.home != nil || v.into != nil || v.keep || v.dtype != F32 {
		return false
	}
	if op.Stacks(v.def.op) && len(v.def.out) > 1 {
		return false // parts are written alike, and their sums need not be
	}
	return op.Accumulates(v.def.op, v.part)
}
