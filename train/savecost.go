package train

import (
	"context"
	"errors"
	"io"
	"time"
)

// SaveCost is what saves cost a run, from blocks of steps that begin with one and blocks
// that do not, in turn, of one run.
type SaveCost struct {
	Parameters    int64     `json:"parameters"`
	Steps         int       `json:"steps"` // of a block
	Batch         int       `json:"batch"`
	Seq           int       `json:"seq"`
	Bytes         int64     `json:"checkpoint_bytes"`
	With          []float64 `json:"with_seconds"`    // of each block that begins with a save
	Without       []float64 `json:"without_seconds"` // of each that does not
	CopySeconds   []float64 `json:"copy_seconds"`    // that the steps wait, in each with
	WriteSeconds  []float64 `json:"write_seconds"`   // of each save, beside the steps
	BeyondSeconds []float64 `json:"beyond_seconds"`  // of it after the block's last step
	Share         float64   `json:"share"`           // that blocks with a save take longer
}

// MeasureSaves trains so many pairs of blocks, of steps each; o.Out is a folder of its own
// on the disk that is measured.
func MeasureSaves(ctx context.Context, c RunConfig, o Options, steps, pairs int) (_ *SaveCost, err error) {
	c.Checkpoint.Keep = 1
	r, err := preparedRun(ctx, c, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.abandon(), r.close()) }()
	out := &SaveCost{Parameters: r.c.Model.ParameterCount(), Steps: steps, Batch: c.Train.Batch, Seq: c.Data.Seq, Bytes: copyBytes(&r.c, r.memory.Optimizer)}
	if _, err := r.block(ctx, 2, false, out); err != nil { // the first steps touch their memory
		return nil, err
	}
	if _, err := r.block(ctx, 1, true, new(SaveCost)); err != nil { // and the first save its own
		return nil, err
	}
	var with, without float64
	for pair := range pairs {
		for _, save := range [][]bool{{true, false}, {false, true}}[pair%2] {
			took, err := r.block(ctx, steps, save, out)
			if err != nil {
				return nil, err
			}
			if save {
				out.With, with = append(out.With, took), with+took
			} else {
				out.Without, without = append(out.Without, took), without+took
			}
		}
	}
	out.Share = with/without - 1
	return out, nil
}

// preparedRun is a run that has made no step yet, to be measured; its caller abandons and
// closes it.
func preparedRun(ctx context.Context, c RunConfig, o Options) (*run, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = NewProgress(io.Discard, false)
	}
	c.Model = c.Model.Resolved()
	r, err := newRun(c, o)
	if err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, errors.Join(err, r.abandon(), r.close())
	}
	return r, nil
}

// block makes some steps and returns the seconds that they take, with a save before them.
func (r *run) block(ctx context.Context, steps int, save bool, out *SaveCost) (float64, error) {
	begun := time.Now()
	if save {
		if err := r.save(ctx); err != nil {
			return 0, err
		}
		out.CopySeconds = append(out.CopySeconds, time.Since(begun).Seconds())
	}
	for range steps {
		if err := r.step(ctx, nil); err != nil {
			return 0, err
		}
		if err := r.landed(); err != nil {
			return 0, err
		}
	}
	took := time.Since(begun).Seconds()
	if save {
		beyond := time.Now()
		if err := r.settle(ctx); err != nil {
			return 0, err
		}
		out.BeyondSeconds = append(out.BeyondSeconds, time.Since(beyond).Seconds())
		out.WriteSeconds = append(out.WriteSeconds, r.saver.took.Seconds())
	}
	return took, nil
}
