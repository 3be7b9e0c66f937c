package train

import (
	"context"
	"fmt"
	"time"
)

// ErrTimeLimit is what Run's error wraps where train.max_hours ended it. It is an
// [ErrInterrupted]: the run was saved and can be resumed.
var ErrTimeLimit = fmt.Errorf("%w by train.max_hours", ErrInterrupted)

// now is the time; tests have a clock of their own.
var now = time.Now

// saveRate is how many bytes a second a checkpoint is taken to be written with until one
// was.
const saveRate = 100e6

// asked says whether a checkpoint was asked for since the last step.
func (r *run) asked() bool {
	select {
	case <-r.o.SaveNow:
	default:
		return false
	}
	if r.state.begun == r.state.step {
		r.o.Progress.Note("step %d: asked to save, which is done already", r.state.step)
		return false
	}
	r.o.Progress.Note("step %d: saving, as asked", r.state.step)
	return true
}

// rounds is how long a run's steps take, with what follows them.
type rounds struct {
	begun   time.Time // of the run
	last    time.Time // the beginning of this round
	longest time.Duration
}

// next begins a round, and is an error where another and a save would last beyond
// train.max_hours.
func (r *run) nextRound(ctx context.Context) error {
	begun := now()
	if !r.rounds.last.IsZero() {
		r.rounds.longest = max(r.rounds.longest, begun.Sub(r.rounds.last))
	}
	r.rounds.last = begun
	hours := r.c.Train.MaxHours
	if hours == 0 || ctx.Err() != nil {
		return nil // the step tells of a context
	}
	limit := time.Duration(hours * float64(time.Hour))
	if begun.Sub(r.rounds.begun)+r.rounds.longest+r.saveTime()+limit/100 < limit {
		return nil
	}
	return ErrTimeLimit
}

// saveTime is how long a save at the end is taken to last, that of the one in flight with it.
func (r *run) saveTime() time.Duration {
	one := r.saver.took
	if one == 0 {
		one = time.Duration(float64(copyBytes(&r.c, r.memory.Optimizer)) / saveRate * float64(time.Second))
	}
	if r.saver.flight != nil {
		return 2 * one
	}
	return one * 3 / 2
}
