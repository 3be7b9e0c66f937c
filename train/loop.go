package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"mobilellm/data"
)

// progressState is how far a run has come.
type progressState struct {
	step     int64 // updates done
	tokens   int64
	loss     float64
	smooth   float64 // running mean of the loss; 0 before the first step
	heldout  *HeldoutRecord
	before   *HeldoutRecord // the score of step 0, of a run that starts from another model
	tasks    *TaskRecord
	best     float64 // lowest validation loss of a saved checkpoint, or best score of a task
	bestStep int64   // 0 where there is none
	patience patience

	begun     int64     // step of the last checkpoint that was begun
	savedAt   time.Time // when that was
	saved     int64     // step of the last one that is written
	savedPath string
}

// loop makes the steps that are left. After each: log, save, score, measure by
// tasks, mark the best, in this order, so that a scoring that fails costs no checkpoint and the
// mark names one that exists.
func (r *run) loop(ctx context.Context) error {
	s := &r.state
	s.savedAt = time.Now()
	if s.step >= int64(r.c.Train.Steps) {
		r.o.Progress.Note("the run has its %d steps already\nhint: more with --steps", r.c.Train.Steps)
	}
	if err := r.markAgain(); err != nil {
		return err
	}
	if s.step > 0 && r.scoreDue() && (s.heldout == nil || s.heldout.Step != s.step) {
		if err := r.score(ctx); err != nil { // the run ended between saving and scoring
			return r.stopped(ctx, err)
		}
	}
	if s.step > 0 && r.tasksDue() && (s.tasks == nil || s.tasks.Step != s.step) {
		if err := r.scoreTasks(ctx); err != nil {
			return r.stopped(ctx, err)
		}
	}
	if s.step == 0 && r.from == nil && r.o.Init != "" {
		if err := r.scoreInitial(ctx); err != nil {
			return r.stopped(ctx, err)
		}
	}
	for s.step < int64(r.c.Train.Steps) && !r.outOfPatience() {
		limit := r.nextRound(ctx)
		if limit != nil && r.ranks == nil {
			return r.stopped(ctx, limit)
		}
		if err := r.step(ctx, limit); err != nil {
			return r.stopped(ctx, err)
		}
		if r.o.afterStep != nil {
			r.o.afterStep(s.step)
		}
		if err := r.saveAsDue(ctx); err != nil {
			return err
		}
		if r.scoreDue() {
			if err := r.score(ctx); err != nil {
				return r.stopped(ctx, err)
			}
		}
		if r.tasksDue() {
			if err := r.scoreTasks(ctx); err != nil && !r.heardLater(ctx) {
				return r.stopped(ctx, err)
			}
		}
		if err := r.awaitFirst(); err != nil {
			return err
		}
	}
	r.noteEnd()
	return r.settle(ctx)
}

// stopped saves a run whose context has ended, or whose metrics could not be written:
// the update is made then. Other errors pass, even where they come after a signal:
// after them the state may be half of an update, and is not saved.
func (r *run) stopped(ctx context.Context, err error) error {
	var unwritten metricsError
	unwrittenNow, why := errors.As(err, &unwritten), ErrInterrupted
	if unwrittenNow && r.owner != nil {
		return fmt.Errorf("%s, step %d: %w", MetricsFile, r.state.step, err) // the others, whose moments a checkpoint wants, know nothing of it
	}
	if errors.Is(err, ErrTimeLimit) {
		why = ErrTimeLimit
	} else if !unwrittenNow && !errors.Is(err, ErrInterrupted) && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		return err
	}
	if r.state.step == 0 {
		return fmt.Errorf("%w before the first step was done: nothing to save", why)
	}
	if earlier := r.abandon(); earlier != nil {
		r.o.Progress.Note("%v", earlier)
	}
	saving := r.saveLast()
	if unwrittenNow {
		return errors.Join(fmt.Errorf("%s, step %d: %w", MetricsFile, r.state.step, err), saving)
	}
	if saving != nil {
		return saving
	}
	if !r.ranks.first() {
		return fmt.Errorf("%w after step %d, which rank 0 saves", why, r.state.step)
	}
	return fmt.Errorf("%w after step %d: saved as %s", why, r.state.step, r.state.savedPath)
}

// saveLast saves the last update, if it is not saved yet, and tries once.
func (r *run) saveLast() error {
	if due, err := r.agreed(r.state.saved != r.state.step, nil); !due || err != nil {
		return err
	}
	if err := r.saveFor(context.Background(), 0); err != nil {
		return err
	}
	return r.settle(context.Background())
}

func (r *run) last() bool { return r.state.step == int64(r.c.Train.Steps) || r.outOfPatience() }

func (r *run) saveDue() bool {
	s, c := &r.state, r.c.Checkpoint
	return r.last() || c.Every > 0 && s.step%int64(c.Every) == 0 ||
		c.Minutes > 0 && time.Since(s.savedAt).Minutes() >= c.Minutes
}

func (r *run) scoreDue() bool {
	return r.last() || r.c.Eval.Every > 0 && r.state.step%int64(r.c.Eval.Every) == 0
}

// step makes one update, or with several ranks none where one of them may make no more, as
// limit says of this one.
func (r *run) step(ctx context.Context, limit error) error {
	start := time.Now()
	b, err := r.batch(ctx)
	if err == nil {
		defer r.release(b)
		err = limit
	}
	if err := r.ranks.agree(ctx, b, err); err != nil {
		return err
	}
	waited := time.Since(start)
	s := &r.state

	lr := r.schedule.LR(int(s.step))
	r.layers.begin(s.step + 1)
	loss, aside, norm, bad, err := r.update(ctx, b, lr)
	if err != nil {
		return err
	}
	if !finite(loss) || !finite(norm) {
		return r.refuse(b, loss, norm, bad)
	}
	if err := r.guarded(b, loss, norm); err != nil {
		return err
	}

	if r.c.Train.ZLoss > 0 {
		loss -= aside // of the text alone
	}
	s.step++
	s.tokens += int64(b.Length)
	s.loss = loss
	if s.smooth == 0 {
		s.smooth = loss
	}
	if r.guard.record() == nil {
		s.smooth += (loss - s.smooth) / 10
	}
	return r.log(b, aside, lr, norm, waited, time.Since(start))
}

func (r *run) batch(ctx context.Context) (*data.Batch, error) {
	if r.fixed != nil {
		return r.fixed, ctx.Err()
	}
	return r.loader.Next(ctx)
}

func (r *run) release(b *data.Batch) {
	if r.fixed == nil {
		b.Release()
	}
}

func (r *run) log(b *data.Batch, aside, lr, norm float64, waited, took time.Duration) error {
	s := &r.state
	speed := float64(b.Length) / took.Seconds()
	record := StepRecord{
		Step: s.step, Tokens: s.tokens, Loss: s.loss, LR: lr, GradNorm: norm, TokensPerSecond: speed,
		MFU: r.utilisation(speed), DataWait: waited.Seconds() / took.Seconds(), MemoryBytes: r.memoryNow(),
		Spike: r.guard.record(), SourceLosses: r.sources.losses(),
	}
	if d := r.reducer; d != nil {
		record.Wire, record.WireWait = d.wire.Seconds(), d.wait.Seconds()
	}
	if r.c.Train.ZLoss > 0 {
		record.ZLoss = aside
	} else {
		record.LabelLoss = aside
	}
	if b.Tokens != b.Length {
		record.Supervised = int64(b.Tokens)
	}
	if err := r.metrics.write(record); err != nil {
		return err
	}
	if err := r.layers.write(r.metrics); err != nil {
		return err
	}
	course := r.course()
	course.Unusual = r.habits.unusual(record)
	shown := record
	shown.Loss = s.smooth
	r.o.Progress.Step(shown, course)
	return nil
}

func (r *run) score(ctx context.Context) error {
	s := &r.state
	h, err := evaluate(ctx, r.scoring, r.heldout, s.step, r.ranks)
	if err != nil {
		return err
	}
	s.heldout = &h
	if err := r.metrics.write(h); err != nil {
		return err
	}
	r.o.Progress.Note("step %d: train loss %.4f, validation loss %.4f, %.3f bits per byte, perplexity %.2f",
		s.step, s.smooth, h.HeldoutLoss, h.BitsPerByte, h.Perplexity)
	if len(h.SourceLosses) > 0 {
		r.o.Progress.Note("step %d: validation loss by source: %s", s.step, h.SourceLosses)
	}
	s.patience.count(&h)
	if err := r.keepLowest(ctx); err != nil {
		return err
	}
	if err := r.markHeldout(); err != nil {
		return err
	}
	if err := r.writeSamples(ctx); err != nil && !r.heardLater(ctx) {
		return err
	}
	return nil
}

// scoreInitial scores the weights that another model gave, before any step: what the run
// makes of them is measured from there. Drawn weights know nothing and are not scored.
func (r *run) scoreInitial(ctx context.Context) error {
	h, err := evaluate(ctx, r.scoring, r.heldout, 0, r.ranks)
	if err != nil {
		return err
	}
	r.state.before = &h
	r.o.Progress.Note("before the first step: validation loss %.4f, %.3f bits per byte, perplexity %.2f", h.HeldoutLoss, h.BitsPerByte, h.Perplexity)
	return r.metrics.write(h)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
