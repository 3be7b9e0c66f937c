package train

import (
	"errors"
	"fmt"

	"mobilellm/data"
	"mobilellm/engine"
)

// NonFiniteError stops a run before the update that would have spoiled its
// weights.
type NonFiniteError struct {
	Step       int64  // the update that was not made, counted from 1
	MicroBatch int    // of the step, counted from 1; 0 where each by itself is finite
	Of         int    // micro-batches of a step
	What       string // loss or gradient norm
	Value      float64
	Cause      error  // the first operation, if one was found
	Folder     string // of what led to it, empty where it could not be written
}

func (e *NonFiniteError) Error() string {
	where := "no micro-batch by itself: their gradients overflow when added"
	if e.MicroBatch > 0 {
		where = fmt.Sprintf("micro-batch %d of %d", e.MicroBatch, e.Of)
		if e.Cause != nil {
			where += fmt.Sprintf(", first in %v", e.Cause)
		}
	}
	return fmt.Sprintf("step %d: the %s is %v (%s)\nhint: the weights were not updated; go on from the last checkpoint with a lower optim.lr, or see whether the text is sound%s",
		e.Step, e.What, e.Value, where, replayHint(e.Folder))
}

func (e *NonFiniteError) Unwrap() error { return e.Cause }

// locate runs the micro-batches of a step again and looks at every result, for the first
// that is not finite. The training program has given its memory back before.
func (r *run) locate(b *data.Batch, e *NonFiniteError) error {
	rows := r.choice.MicroBatch
	p, err := compileTraining(&r.c, rows, r.weights, r.dev,
		engine.Options{Precision: r.choice.Precision, Recompute: r.choice.Recompute, CheckNaN: true}, r.lesson)
	if err != nil {
		return err
	}
	defer p.close()
	scale := 1 / float32(b.Tokens)
	p.vm.Accumulate(false)
	for i := range e.Of {
		_, err := p.run(b, i*rows, scale)
		var found *engine.NonFiniteError
		if errors.As(err, &found) {
			e.MicroBatch, e.Cause = i+1, found
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
