package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"mobilellm/engine/op"
)

// gradients sends every term of a parameter's gradient to the parameter's
// gradient memory, the first as it is, the others added, and drops gorgonia's
// sums.
func (pl *plan) gradients() error {
	terms, dropped := map[string][]*value{}, map[*step]string{}
	names := slices.Sorted(maps.Keys(pl.program.Gradients))
	for _, name := range names {
		var err error
		if terms[name], err = pl.terms(name, dropped); err != nil {
			return err
		}
	}
	if err := pl.checkTerms(names, terms, dropped); err != nil {
		return err
	}
	order := pl.order()
	for _, name := range names {
		slices.SortFunc(terms[name], func(a, b *value) int { return cmp.Compare(order[a.def], order[b.def]) })
		for i, v := range terms[name] {
			v.home = pl.program.Weights.Gradient(name)
			v.def.store[v.part] = Accumulate
			if i == 0 {
				v.def.store[v.part] = AccumulateAfterFirst
			}
		}
	}
	pl.steps = slices.DeleteFunc(pl.steps, func(s *step) bool { return dropped[s] != "" })
	return nil
}

// terms are those of a parameter's gradient; it notes the sums of them
// as dropped.
func (pl *plan) terms(name string, dropped map[*step]string) ([]*value, error) {
	if pl.program.Weights.Gradient(name) == nil {
		return nil, fmt.Errorf("engine: parameter %s has no gradient memory", name)
	}
	var terms []*value
	todo := []*value{pl.values[pl.program.Gradients[name]]}
	for len(todo) > 0 {
		v := todo[0]
		todo = todo[1:]
		switch {
		case v == nil || v.def == nil:
			return nil, fmt.Errorf("engine: gradient of %s is no operation's result", name)
		case isSum(v.def):
			dropped[v.def] = name
			todo = append(todo, v.def.in...)
		case !op.Accumulates(v.def.op, v.part):
			return nil, fmt.Errorf("engine: gradient of %s: %s %s cannot add to what is there, as a term of a gradient must"+
				"\nhint: let the operation state op.Accumulator, and its kernels honour the store mode", name, v.def.op.Scope(), v.def.op.Kind())
		default:
			terms = append(terms, v)
		}
	}
	return terms, nil
}

// checkTerms refuses a term that anything reads but the gradient, where it lies
// with the other terms and with those of earlier micro-batches, and a sum of terms
// likewise.
func (pl *plan) checkTerms(names []string, terms map[string][]*value, dropped map[*step]string) error {
	const hint = "\nhint: let the operation that is differentiated return a gradient of its own for each input"
	uses, of := pl.uses(), map[*value]string{}
	check := func(name string, v *value) error {
		for _, i := range uses[v] {
			if s := pl.steps[i]; dropped[s] == "" {
				return fmt.Errorf("engine: gradient of %s: %s is also read by %s %s"+hint, name, v.name, s.op.Scope(), s.op.Kind())
			}
		}
		if v.keep {
			return fmt.Errorf("engine: gradient of %s: %s is also an output of the program"+
				"\nhint: read the parameter's gradient", name, v.name)
		}
		return nil
	}
	for _, name := range names {
		for _, v := range terms[name] {
			if other, ok := of[v]; ok {
				return fmt.Errorf("engine: gradients of %s and %s: %s is a term of both"+hint, other, name, v.name)
			}
			of[v] = name
			if err := check(name, v); err != nil {
				return err
			}
		}
	}
	for _, s := range pl.steps {
		if name := dropped[s]; name != "" {
			if err := check(name, s.out[0]); err != nil {
				return err
			}
		}
	}
	return nil
}
