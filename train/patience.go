package train

import (
	"context"
	"math"
)

// patience follows the validation loss of a run that ends when it rises.
type patience struct {
	lowest float64
	step   int64 // of the lowest, 0 before the first scoring
	rises  int   // scorings since then
}

// count takes a scoring in. A loss that is not finite is no lower than any.
func (p *patience) count(h *HeldoutRecord) {
	loss := float64(h.HeldoutLoss)
	if math.IsNaN(loss) || p.step > 0 && !(loss < p.lowest) {
		p.rises++
		return
	}
	*p = patience{lowest: loss, step: h.Step}
}

// outOfPatience says whether the run ends before its last step.
func (r *run) outOfPatience() bool {
	n := r.c.Train.Patience
	return n > 0 && r.state.patience.rises >= n
}

// keepLowest saves what train.patience is to keep: the lowest loss, and the run's end.
func (r *run) keepLowest(ctx context.Context) error {
	s := &r.state
	if r.c.Train.Patience == 0 {
		return nil
	}
	due := s.begun != s.step && (s.patience.rises == 0 || r.outOfPatience())
	var err error
	if due && r.ranks.first() {
		err = r.settle(ctx)
	}
	if due, err = r.agreed(due, err); err != nil || !due {
		return err
	}
	return r.save(ctx)
}

// noteEnd says why a run ends early.
func (r *run) noteEnd() {
	p := &r.state.patience
	if r.outOfPatience() {
		r.o.Progress.Note("the run ends after step %d of %d: the validation loss was no lower in %d scorings than %.4f at step %d (train.patience)",
			r.state.step, r.c.Train.Steps, p.rises, p.lowest, p.step)
	}
}
