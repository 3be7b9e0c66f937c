package engine

import (
	"fmt"

	"gorgonia.org/tensor"

	"mobilellm/engine/op"
)

// The weight of a matmul is a parameter, or computed from parameters: quantised,
// binary, with an adapter. What is computed is treated as parameters are: float32
// with a rounded copy where the device wants one, and those of one matmul end to
// end.

// weightsInFloat32 keeps computed weights in float32.
func (pl *plan) weightsInFloat32() {
	for _, s := range pl.steps {
		for _, group := range op.Weights(s.op, len(s.in)) {
			for _, i := range group {
				if v := s.in[i]; v.def != nil {
					v.dtype = F32
				}
			}
		}
	}
}

// roundWeights lets matmuls read a rounded copy of computed weights.
func (pl *plan) roundWeights() {
	copies := map[*value]*value{}
	var steps []*step
	for _, s := range pl.steps {
		for _, group := range op.Weights(s.op, len(s.in)) {
			for _, i := range group {
				v := s.in[i]
				if v.def == nil {
					continue
				}
				if copies[v] == nil {
					o := op.Round(v.def.op.Scope(), op.RecomputeOf(v.def.op))
					r := &step{op: o, in: []*value{v}, store: make([]Store, 1), backward: v.def.backward}
					r.out = []*value{pl.result(r, 0, v.shape)}
					copies[v] = r.out[0]
					steps = append(steps, r)
				}
				s.in[i] = copies[v]
			}
		}
		steps = append(steps, s)
	}
	pl.steps = steps
}

// join lays end to end what a matmul reads, or makes, as one matrix: computed
// weights, and gradients that are not those of parameters.
func (pl *plan) join() error {
	for _, s := range pl.steps {
		for _, group := range op.Weights(s.op, len(s.in)) {
			var weights []*value
			for _, i := range group {
				weights = append(weights, s.in[i])
			}
			if err := join(weights); err != nil {
				return fmt.Errorf("engine: %s %s: weights %w", s.op.Scope(), s.op.Kind(), err)
			}
		}
		if !op.Stacks(s.op) {
			continue
		}
		for _, run := range wantedRuns(s) {
			first := s.store[run[0].part]
			for _, v := range run {
				if s.store[v.part] != first {
					return fmt.Errorf("engine: %s %s: gradients of its weights are partly added to others and partly not", s.op.Scope(), s.op.Kind())
				}
			}
			if err := join(run); err != nil {
				return fmt.Errorf("engine: %s %s: gradients of its weights %w", s.op.Scope(), s.op.Kind(), err)
			}
		}
	}
	return nil
}

// wantedRuns are the results of a step that somebody reads, in runs without a gap: a weight
// that is not trained has no gradient.
func wantedRuns(s *step) (runs [][]*value) {
	gap := true
	for _, v := range s.out {
		switch {
		case v == nil:
			gap = true
			continue
		case gap:
			runs = append(runs, nil)
		}
		gap = false
		runs[len(runs)-1] = append(runs[len(runs)-1], v)
	}
	return runs
}

// join lays values end to end, unless they are parameters or their gradients,
// which lie so already where they can.
func join(vs []*value) error {
	elsewhere, joined := 0, true
	var end int64
	for _, v := range vs {
		root, offset := v.located()
		if root.home != nil {
			elsewhere++
		}
		first, _ := vs[0].located()
		joined = joined && root.joined && root == first && offset == end
		end += int64(v.shape.TotalSize()) * v.dtype.Size()
	}
	switch {
	case len(vs) < 2 || elsewhere == len(vs) || joined:
		return nil
	case elsewhere > 0:
		return fmt.Errorf("%s are partly parameters' and partly computed: they cannot lie end to end"+
			"\nhint: transform all weights of a matmul or none", names(vs))
	}
	all := &value{name: vs[0].name + " and others", dtype: vs[0].dtype, joined: true}
	rows := 0
	for _, v := range vs {
		root, offset := v.located()
		if root.joined || offset != 0 || root.dtype != all.dtype || root.shape.TotalSize() != v.shape.TotalSize() {
			return fmt.Errorf("%s lie end to end with others already", names(vs))
		}
		root.into, root.offset = all, int64(rows)*int64(v.shape[1])*v.dtype.Size()
		all.keep = all.keep || root.keep
		rows += v.shape[0]
	}
	all.shape = tensor.Shape{rows, vs[0].shape[1]}
	return nil
}

func names(vs []*value) string {
	s := ""
	for i, v := range vs {
		if i > 0 {
			s += ", "
		}
		s += v.name
	}
	return s
}
