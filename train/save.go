package train

import (
	"context"
	"path/filepath"
	"time"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/jsonfloat"
	"mobilellm/tokenizer"
)

// save begins a checkpoint of the last update; old ones are removed after it. The one
// before must have been settled.
func (r *run) save(ctx context.Context) error {
	return r.saveFor(ctx, r.c.Checkpoint.retry())
}

// saveFor tries for so long.
func (r *run) saveFor(ctx context.Context, retry time.Duration) error {
	s := &r.state
	if !r.ranks.first() { // of a sharded run: the first saves what this rank has
		_, err := r.gatheredMoments(nil)
		return err
	}
	weights, moments, err := r.savedTensors()
	if err != nil {
		return err
	}
	state, err := r.snapshot()
	if err != nil {
		return err
	}
	c := checkpoint.Contents{
		Config:     r.c.Model,
		Meta:       r.meta(),
		Generation: r.text.Tokenizer.GenerationConfig(),
		Tokenizer:  r.text.Tokenizer.Save,
		State:      state,
		Weights:    weights,
		Optimizer:  moments,
	}
	r.keepAdapter(&c)
	s.begun, s.savedAt, r.saver.late = s.step, time.Now(), false
	dir, keep, metrics := r.checkpoints(), r.c.Checkpoint, r.metrics
	r.saver.begin(s.step, retry, func() (string, error) {
		_ = metrics.sync() // the record must not lag behind the state, but it does not cost it
		return checkpoint.Save(dir, c)
	}, func() error {
		_, err := checkpoint.Prune(dir, keep.Keep, keep.KeepEvery, "")
		return err
	}, func(path string) error { return checkpoint.MarkBest(dir, filepath.Base(path)) })
	if r.saver.memory == nil {
		return r.settle(ctx) // what it writes must not change
	}
	return nil
}

// keepAdapter makes an adapter of contents, where the run trains one and these are its
// weights.
func (r *run) keepAdapter(c *checkpoint.Contents) {
	if r.c.LoRA != nil {
		c.Adapter = &checkpoint.AdapterContents{LoRA: *r.c.LoRA, Base: r.base.path, BaseFingerprint: r.base.fingerprint, Tensors: c.Weights}
	}
}

// savedTensors are the weights and moments as they are now: a copy, or where there is no
// memory for one, views of them and what is read from the device in its turn.
func (r *run) savedTensors() (weights, moments []safetensors.Tensor, err error) {
	arena := r.saver.arena()
	if arena == nil {
		buffer := &hostBuffer{shared: true}
		if r.owner != nil {
			moments, err = r.gatheredMoments(new(hostBuffer))
			return tensors(r.weightTensors(r.trains.kept(), buffer)), moments, err
		}
		return tensors(r.weightTensors(r.trains.kept(), buffer)), tensors(r.momentTensors(buffer)), nil
	}
	buffer := &hostBuffer{arena: arena}
	if weights, err = buffer.copied(r.weightTensors(r.trains.kept(), buffer), r.dev); err != nil {
		return nil, nil, err
	}
	if r.owner != nil {
		moments, err = r.gatheredMoments(buffer)
		return weights, moments, err
	}
	moments, err = buffer.copied(r.momentTensors(buffer), r.dev)
	return weights, moments, err
}

// markHeldout names the checkpoint of the step just scored as the best, if that is by
// validation loss, there is one and it is.
func (r *run) markHeldout() error {
	if r.c.Checkpoint.bestBy() != HeldoutLoss {
		return nil
	}
	return r.mark(r.state.heldout.HeldoutLoss, true)
}

// markTask does so where the best is by a task's score.
func (r *run) markTask() error {
	score, ok := r.state.tasks.find(r.c.Checkpoint.bestBy())
	if !ok {
		return nil
	}
	return r.mark(score.Value, score.Lower)
}

// mark compares the value that this step's weights have with the best so far.
func (r *run) mark(value jsonfloat.Float, lower bool) error {
	s, v := &r.state, float64(value)
	if s.begun != s.step || !value.Finite() || s.bestStep > 0 && (v == s.best || lower != (v < s.best)) {
		return nil
	}
	if err := r.markBest(); err != nil {
		return err
	}
	s.best, s.bestStep = v, s.step
	return nil
}

// markAgain marks the checkpoint that a run goes on from, which may have ended between
// scoring and that.
func (r *run) markAgain() error {
	s := &r.state
	if r.from == nil {
		return nil
	}
	if own, err := sameFolder(filepath.Dir(s.savedPath), r.checkpoints()); !own {
		s.begun = -1 // it is another run's
		return err
	}
	if s.heldout != nil && s.heldout.Step == s.step {
		if err := r.markHeldout(); err != nil {
			return err
		}
	}
	if s.tasks != nil && s.tasks.Step == s.step {
		return r.markTask()
	}
	return nil
}

func (r *run) meta() checkpoint.Meta {
	s := r.text.Tokenizer.Special()
	return checkpoint.Meta{Tokens: tokenizer.ModelTokens{BOS: s.BOS, EOS: s.EOS, PAD: s.PAD}, DType: safetensors.F32}
}

// weightTensors are some weights in float32, which a resumed run needs to the bit:
// views of them, or copies of those on a device, in memory of b.
func (r *run) weightTensors(params []arch.Parameter, b *hostBuffer) []hostCopy {
	list := make([]hostCopy, len(params))
	for i, p := range params {
		t := r.weights.Value(p.Name)
		if !t.OnHost() {
			list[i] = newHostCopy(p.Name, p.Shape, t, b)
			continue
		}
		list[i].Tensor = safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: t.Float32s()}
	}
	return list
}

// momentTensors are the optimizer's state likewise, in the type that it is kept in.
func (r *run) momentTensors(b *hostBuffer) []hostCopy {
	shapes := map[string][]int{}
	for _, p := range r.params {
		shapes[p.Name] = p.Shape
	}
	var list []hostCopy
	if r.remote != nil {
		for _, m := range r.remote.Moments() {
			list = append(list, newHostCopy(m.Name, shapes[m.Param], m.Value, b))
		}
		return list
	}
	for _, t := range r.opt.State() {
		dtype := safetensors.F32
		if t.BF16 != nil {
			dtype = safetensors.BF16
		}
		list = append(list, hostCopy{Tensor: safetensors.Tensor{Name: t.Name, DType: dtype, Shape: shapes[t.Param], Data: t.Data, BF16: t.BF16}})
	}
	return list
}

// updates is the number that the optimizer has made.
func (r *run) updates() int {
	if r.remote != nil {
		return r.remote.Steps()
	}
	return r.opt.Steps()
}

// chosen is what the run settled on, as it is recorded.
func (r *run) chosen() checkpoint.Chosen {
	return checkpoint.Chosen{
		MicroBatch: r.choice.MicroBatch, Precision: r.choice.Precision.String(), Recompute: r.choice.Recompute.String(),
		Workers: r.dev.Workers(), Device: r.dev.Name(),
	}
}

// snapshot is the run's state as it is saved.
func (r *run) snapshot() (checkpoint.State, error) {
	s := &r.state
	config, err := r.c.yamlText()
	if err != nil {
		return checkpoint.State{}, err
	}
	loss, smooth, best := s.loss, s.smooth, s.best // it is written while the run goes on
	samples := s.step * int64(r.c.Train.Batch)
	epoch, sample := r.loader.Position(samples)
	state := checkpoint.State{
		Step: s.step, Tokens: s.tokens, OptimizerSteps: r.updates(), Seed: r.c.Train.Seed,
		Data: checkpoint.DataPosition{
			Epoch: int(epoch), Sample: sample, Samples: samples, Ranks: 1,
			Fingerprint: r.text.Train.Fingerprint(), HeldoutFingerprint: r.text.Heldout.Fingerprint(),
		},
		Loss: checkpoint.Losses{Train: &loss, Smooth: &smooth},
		Schedule: checkpoint.ScheduleInfo{
			Name: r.c.Optim.Schedule, Steps: int64(r.c.Train.Steps), WarmupSteps: int64(r.c.Optim.WarmupSteps),
			PeakLR: r.c.Optim.LR, LR: r.schedule.LR(int(max(s.step-1, 0))),
		},
		Chosen: r.chosen(), Guard: r.guard.state(), Config: string(config), Versions: r.o.Versions,
	}
	if s.heldout != nil && s.heldout.HeldoutLoss.Finite() {
		loss := float64(s.heldout.HeldoutLoss)
		state.Loss.Heldout, state.Loss.HeldoutStep = &loss, s.heldout.Step
	}
	if s.bestStep > 0 {
		state.Loss.Best, state.Loss.BestStep = &best, s.bestStep
		if r.c.Checkpoint.bestBy() != HeldoutLoss {
			state.Loss.BestBy = r.c.Checkpoint.bestBy()
		}
	}
	return state, nil
}
