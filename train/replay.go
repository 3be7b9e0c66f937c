package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/jsonfloat"
)

// Replayed is what came out of a crash folder's batch, run again.
type Replayed struct {
	Step       int64             `json:"step"`
	Recorded   string            `json:"recorded"` // what stopped the run, with its value
	Loss       jsonfloat.Float   `json:"loss"`     // null where it is not finite
	GradNorm   jsonfloat.Float   `json:"grad_norm"`
	Losses     []jsonfloat.Float `json:"micro_batch_losses"`
	Operation  string            `json:"first_operation,omitempty"` // whose result is not finite
	Parameters []ParameterNorm   `json:"parameters"`
	MicroBatch int               `json:"micro_batch"` // sequences
	Precision  string            `json:"precision"`
	Recompute  string            `json:"recompute"`
	Device     string            `json:"device"`
}

// Finite says whether the step could have been made.
func (r *Replayed) Finite() bool { return r.Loss.Finite() && r.GradNorm.Finite() }

// CrashConfig is the configuration of the run that left a crash folder.
func CrashConfig(folder string) (*RunConfig, error) {
	crash, err := ReadCrash(folder)
	if err != nil {
		return nil, err
	}
	c, err := parseRun(crash.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: config: %w", filepath.Join(folder, CrashFile), err)
	}
	return c, nil
}

// Replay runs the batch of a crash folder on the weights that lie there, forward and
// backward, and changes nothing. c may differ from the folder's own configuration in
// micro-batch, precision, recompute and device.
func Replay(ctx context.Context, c RunConfig, folder string, o Options) (_ *Replayed, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.LoRA != nil {
		return nil, fmt.Errorf("replay: %s is of a run with adapters (lora), whose batches are not run again", folder)
	}
	crash, err := ReadCrash(folder)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	c.Model = c.Model.Resolved()
	if o.Progress == nil {
		o.Progress = NewProgress(io.Discard, false)
	}
	r, err := newRun(c, o)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	defer func() { err = errors.Join(err, r.close()) }()
	b, err := readBatch(folder, &r.c)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if err := r.openReplay(folder, crash.Chosen); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	out, err := r.replay(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	out.Step, out.Recorded = crash.Step, crash.What+" "+crash.Value
	return out, nil
}

// openReplay makes ready what a step needs.
func (r *run) openReplay(folder string, chosen checkpoint.Chosen) error {
	if err := r.openTeacher(); err != nil {
		return err
	}
	var err error
	if r.dev = r.o.Device; r.dev == nil {
		if r.dev, err = device.Open(r.c.Device, chosen.Workers, func(text string) { r.o.Progress.Note("%s", text) }); err != nil {
			return err
		}
	}
	fixed, err := parseChoice(folder, chosen, r.c.Train.Batch)
	if err != nil {
		return err
	}
	var notes []string
	if r.choice, r.memory, notes, err = choose(&r.c, fixed, deviceMemory(r.dev), 0, r.dev); err != nil {
		return err
	}
	for _, note := range notes {
		r.o.Progress.Note("%s", note)
	}
	r.weights, err = r.trains.newWeights(r.dev, engine.WeightOptions{Gradients: true, BF16: r.choice.Precision == engine.PrecisionBF16})
	if err != nil {
		return err
	}
	if r.initial, err = checkpoint.Open(filepath.Join(folder, CrashModel)); err != nil {
		return err
	}
	if err := compareModels(r.initial.Config, r.c.Model, folder); err != nil {
		return err
	}
	for _, p := range r.params {
		load := func(dst []float32) error { return r.initial.LoadInto(p.Name, dst, p.Shape) }
		if err := engine.Fill(r.weights.Value(p.Name), load); err != nil {
			return err
		}
	}
	r.weights.Changed()
	if err := r.makeLesson(); err != nil {
		return err
	}
	r.training, err = compileTraining(&r.c, r.choice.MicroBatch, r.weights, r.dev, engine.Options{Precision: r.choice.Precision, Recompute: r.choice.Recompute}, r.lesson)
	return err
}

func (r *run) replay(ctx context.Context, b *data.Batch) (*Replayed, error) {
	out := &Replayed{MicroBatch: r.choice.MicroBatch, Precision: r.choice.Precision.String(), Recompute: r.choice.Recompute.String(), Device: r.dev.Name()}
	rows := r.choice.MicroBatch
	bad, loss, squares := -1, 0.0, 0.0
	for i := range r.c.Train.Batch / rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.training.vm.Accumulate(i > 0)
		part, err := r.training.run(b, i*rows, 1/float32(b.Tokens))
		if err != nil {
			return nil, err
		}
		if bad < 0 && !finite(part) {
			bad = i
		}
		loss += part
		out.Losses = append(out.Losses, jsonfloat.Float(part))
	}
	var err error
	if out.Parameters, err = r.parameterNorms(); err != nil {
		return nil, err
	}
	for _, p := range out.Parameters {
		squares += float64(p.Gradient) * float64(p.Gradient)
	}
	out.Loss, out.GradNorm = jsonfloat.Float(loss), jsonfloat.Float(math.Sqrt(squares))
	if out.Finite() {
		return out, nil
	}
	if err := r.training.close(); err != nil {
		return nil, err
	}
	e := &NonFiniteError{MicroBatch: bad + 1, Of: r.c.Train.Batch / rows}
	if err := r.locate(b, e); err != nil {
		return nil, err
	}
	if e.Cause != nil {
		out.Operation = fmt.Sprintf("micro-batch %d of %d, %v", e.MicroBatch, e.Of, e.Cause)
	}
	return out, nil
}
