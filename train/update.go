package train

import (
	"context"
	"errors"
	"time"

	"mobilellm/data"
	"mobilellm/optim"
)

// update computes a batch's gradients and, where its loss and their norm are
// finite, updates the weights. The loss is the mean over the supervised tokens of
// the whole batch, aside what the program reports beside it;
// bad is the first micro-batch whose share of it is not finite, or -1.
func (r *run) update(ctx context.Context, b *data.Batch, lr float64) (loss, aside, norm float64, bad int, err error) {
	if r.remote != nil {
		return r.updateRemote(ctx, b, lr)
	}
	if loss, aside, bad, err = r.gradients(ctx, b); err != nil {
		return loss, aside, 0, bad, err
	}
	clipping := time.Now()
	if norm, err = r.gradNorm(); err != nil {
		return loss, aside, 0, bad, err
	}
	if !finite(loss) || !finite(norm) || r.guard.holds(loss, norm) {
		return loss, aside, norm, bad, nil
	}
	r.layers.beforeUpdate()
	updating := time.Now()
	r.opt.Step(lr, optim.ClipScale(norm, r.c.Optim.Clip))
	if err := r.reducer.gather(); err != nil {
		return loss, aside, norm, bad, err
	}
	r.layers.afterUpdate()
	r.weights.Updated()
	if r.o.Profile {
		r.training.vm.Profile().Add("gradient norm", updating.Sub(clipping))
		r.training.vm.Profile().Add("optimizer", time.Since(updating))
	}
	return loss, aside, norm, bad, nil
}

// gradients runs all micro-batches of a step, and sums over all ranks.
func (r *run) gradients(ctx context.Context, b *data.Batch) (loss, aside float64, bad int, err error) {
	if r.ranks == nil {
		return r.ownGradients(ctx, b)
	}
	r.reducer.begin()
	defer r.training.vm.OnGradient(nil)
	loss, aside, bad, err = r.ownGradients(ctx, b)
	err = errors.Join(err, r.reducer.finish())
	if r.o.Profile {
		r.training.vm.Profile().Add("waiting for other ranks", r.reducer.wait)
	}
	return loss, aside, bad, r.ranks.sums(ctx, err, r.sources, &loss, &aside)
}

// ownGradients runs the micro-batches of this rank.
func (r *run) ownGradients(ctx context.Context, b *data.Batch) (loss, aside float64, bad int, err error) {
	bad = -1
	rows := r.choice.MicroBatch
	scale := 1 / float32(b.Tokens)
	r.sources.reset()
	micro := r.c.rankBatch() / rows
	for i := range micro {
		if err := ctx.Err(); err != nil && r.ranks == nil {
			return 0, 0, bad, err // a step can take minutes: what is not updated yet is given up
		}
		r.training.vm.Accumulate(i > 0)
		if r.reducer != nil && i == micro-1 {
			r.training.vm.OnGradient(r.reducer.tell)
		}
		look := r.layers.look(i == 0)
		part, err := r.training.run(b, i*rows, scale)
		look()
		if err == nil {
			err = r.sources.add(r.training, b, i*rows)
		}
		if err != nil {
			return 0, 0, bad, err
		}
		if bad < 0 && !finite(part) {
			bad = i
		}
		loss += part
		if t := r.training.aside(); t != nil {
			aside += float64(t.Float32s()[0])
		}
	}
	return loss, aside, bad, nil
}

// updateRemote enqueues a whole step on an accelerator, which holds the update
// back by itself where the norm is not finite, and then waits for its losses and
// norm, which come in one copy. A guard has to see them before the update.
func (r *run) updateRemote(ctx context.Context, b *data.Batch, lr float64) (loss, aside, norm float64, bad int, err error) {
	bad = -1
	rows := r.choice.MicroBatch
	parts := r.c.rankBatch() / rows
	scale := 1 / float32(b.Tokens)
	for i := range parts {
		if err := ctx.Err(); err != nil && r.ranks == nil {
			return 0, 0, 0, bad, err
		}
		r.training.vm.Accumulate(i > 0)
		if err := r.training.enqueue(b, i*rows, scale); err != nil {
			return 0, 0, 0, bad, err
		}
		r.remote.Collect(i, r.training.loss())
		if t := r.training.aside(); t != nil {
			r.remote.Collect(parts+i, t)
		}
	}
	updating := time.Now()
	if r.ranks != nil {
		r.remote.Reduce()
	}
	if r.guard != nil {
		r.remote.Measure()
		if loss, aside, norm, bad, err = r.collect(ctx, parts); err != nil || r.guard.holds(loss, norm) {
			return loss, aside, norm, bad, err
		}
	}
	r.remote.Step(lr)
	measured := r.guard != nil
	if !measured {
		loss, aside, norm, bad, err = r.collect(ctx, parts)
	} else {
		_, norm, err = r.remote.Result()
	}
	if r.o.Profile { // reading the program's marks has waited for its kernels already
		r.training.vm.Profile().Add("optimizer", time.Since(updating))
	}
	return loss, aside, norm, bad, err
}

// collect waits for a step's micro-batches, and makes their losses those of all ranks.
func (r *run) collect(ctx context.Context, parts int) (loss, aside, norm float64, bad int, err error) {
	kept, norm, err := r.remote.Result()
	if err == nil {
		loss, aside, bad = r.collected(kept, parts)
	}
	if r.ranks != nil {
		err = r.ranks.sums(ctx, err, r.sources, &loss, &aside)
	}
	return loss, aside, norm, bad, err
}

// collected adds up what an accelerator kept of a step's micro-batches.
func (r *run) collected(kept []float32, parts int) (loss, aside float64, bad int) {
	bad = -1
	for i := range parts {
		part := float64(kept[i])
		if bad < 0 && !finite(part) {
			bad = i
		}
		loss += part
		if r.training.aside() != nil {
			aside += float64(kept[parts+i])
		}
	}
	return loss, aside, bad
}
