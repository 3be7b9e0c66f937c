package infer

import (
	"errors"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/engine"
)

// whole computes all tokens of a sequence for each new one, on devices without
// kernels for the cache.
type whole struct {
	m        *Model
	programs map[int]*wholeProgram // by padded length
}

// wholeProgram computes the logits of so many tokens.
type wholeProgram struct {
	graph  *arch.Graph
	vm     *engine.VM
	logits []float32 // [T,V]
}

func newWhole(m *Model) *whole { return &whole{m: m, programs: map[int]*wholeProgram{}} }

func (w *whole) truncate(int, int) {}
func (w *whole) fork(int, int)     {}
func (w *whole) room([]Step) error { return nil }

func (w *whole) close() error {
	var errs []error
	for _, p := range w.programs {
		errs = append(errs, p.vm.Close())
	}
	return errors.Join(errs...)
}

// shortest is the length of the smallest program.
const shortest = 16

// program has the least power of two that holds n tokens, at most the context.
// Attention looks back only, so what follows the last token changes nothing.
func (w *whole) program(n int) (*wholeProgram, error) {
	length := min(powerFrom(max(n, shortest)), w.m.Config.Context)
	if p := w.programs[length]; p != nil {
		return p, nil
	}
	g, err := w.m.Config.BuildLogits(1, length)
	if err != nil {
		return nil, err
	}
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Logits}, Weights: w.m.weights}, w.m.dev, engine.Options{})
	if err != nil {
		return nil, err
	}
	w.programs[length] = &wholeProgram{g, vm, make([]float32, length*w.m.Config.VocabSize)}
	return w.programs[length], nil
}

func (w *whole) run(steps []Step, each func(n int, f func(i int))) error {
	for _, s := range steps {
		slot := &w.m.slots[s.Slot]
		before := len(slot.tokens)
		slot.tokens = append(slot.tokens, s.Tokens...)
		if s.Logits == nil || len(s.Tokens) == 0 {
			continue
		}
		p, err := w.program(len(slot.tokens))
		if err != nil {
			return err
		}
		padded := make([]int32, p.graph.Tokens.Shape()[0])
		copy(padded, slot.tokens)
		if err := engine.Write(p.vm.Input(p.graph.Tokens), padded); err != nil {
			return err
		}
		if err := p.vm.RunAll(); err != nil {
			return err
		}
		if err := engine.Read(p.vm.Output(p.graph.Logits), p.logits); err != nil {
			return err
		}
		v := w.m.Config.VocabSize
		first := s.firstWanted()
		each(len(s.Tokens)-first, func(i int) {
			s.Logits(first+i, p.logits[(before+first+i)*v:][:v])
		})
	}
	return nil
}
