package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"mobilellm/internal/jsonfloat"
	"mobilellm/report/tensorboard"
	"mobilellm/train"
)

// Sink is a train.Options.Sink: it writes TensorBoard's event files beside metrics.jsonl
// where metrics.tensorboard says so.
func Sink(dir string, c *train.RunConfig) (train.Sink, error) {
	if !c.Metrics.TensorBoard {
		return nil, nil
	}
	older, err := tensorboard.Files(dir)
	if err != nil {
		return nil, err
	}
	s, err := newSink(dir, c, time.Now())
	if err != nil {
		return nil, err
	}
	if len(older) == 0 { // what the run has been through so far, in another folder or without them
		var began time.Time
		if began, _, err = times(dir); err == nil {
			err = s.history(dir, began)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, errors.Join(err, s.w.Close())
	}
	return s, nil
}

// sink writes the records of a run to an event file.
type sink struct {
	w     *tensorboard.Writer
	c     *train.RunConfig // until it is written
	began time.Time
	at    func() time.Time // of the next event
}

func newSink(dir string, c *train.RunConfig, began time.Time) (*sink, error) {
	w, err := tensorboard.Create(dir, began)
	return &sink{w, c, began, time.Now}, err
}

// Tags of scalars.
const (
	tagLoss    = "train/loss"
	tagHeldout = "heldout/loss"
)

// Write implements train.Sink.
func (s *sink) Write(record any) error {
	at := s.at()
	if r, ok := record.(train.ResumeRecord); ok { // before all else of its file
		if err := s.w.Start(at, r.Step+1); err != nil {
			return err
		}
	}
	if c := s.c; c != nil {
		s.c = nil
		list, err := hyperparameters(c)
		if err != nil {
			return err
		}
		if err := s.w.Hyperparameters(s.began, list, tagHeldout, tagLoss); err != nil {
			return err
		}
	}
	switch r := record.(type) {
	case train.StepRecord:
		list := []tensorboard.Scalar{
			{Tag: tagLoss, Value: r.Loss},
			{Tag: "train/lr", Value: r.LR},
			{Tag: "train/grad_norm", Value: r.GradNorm},
			{Tag: "train/tokens", Value: float64(r.Tokens)},
			{Tag: "speed/tokens_per_second", Value: r.TokensPerSecond},
			{Tag: "speed/mfu", Value: r.MFU},
			{Tag: "speed/data_wait", Value: r.DataWait},
		}
		if r.LabelLoss != 0 {
			list = append(list, tensorboard.Scalar{Tag: "train/label_loss", Value: r.LabelLoss})
		}
		list = append(list, sources("train_sources/", r.SourceLosses)...)
		if r.MemoryBytes != 0 {
			list = append(list, tensorboard.Scalar{Tag: "speed/memory_bytes", Value: float64(r.MemoryBytes)})
		}
		return s.w.Scalars(at, r.Step, list...)
	case train.HeldoutRecord:
		list := []tensorboard.Scalar{
			{Tag: tagHeldout, Value: float64(r.HeldoutLoss)},
			{Tag: "heldout/bits_per_byte", Value: float64(r.BitsPerByte)},
			{Tag: "heldout/perplexity", Value: float64(r.Perplexity)},
		}
		return s.w.Scalars(at, r.Step, append(list, sources("heldout_sources/", r.SourceLosses)...)...)
	case train.TaskRecord:
		var list []tensorboard.Scalar
		for _, t := range r.Tasks {
			list = append(list, tensorboard.Scalar{Tag: "tasks/" + t.Task, Value: float64(t.Value)})
		}
		return s.w.Scalars(at, r.Step, list...)
	case train.SampleRecord:
		for i, one := range r.Samples {
			if err := s.w.Text(at, r.Step, fmt.Sprintf("samples/%d", i+1), indented(one.Prompt+one.Text)); err != nil {
				return err
			}
		}
		return nil
	case train.LayersRecord:
		var list []tensorboard.Scalar
		for _, l := range r.Layers {
			for tag, value := range map[string]jsonfloat.Float{"weight_norm": l.Weight, "grad_norm": l.Gradient, "update_norm": l.Update, "update_ratio": l.Ratio} {
				list = append(list, tensorboard.Scalar{Tag: fmt.Sprintf("layers_%s/%s", tag, l.Name), Value: float64(value)})
			}
		}
		for i, p := range r.Positions {
			list = append(list, tensorboard.Scalar{Tag: fmt.Sprintf("layers_activation/%d", i), Value: float64(p.Activation)})
			if p.AttentionLSE.Finite() {
				list = append(list, tensorboard.Scalar{Tag: fmt.Sprintf("layers_attention_lse/%d", i), Value: float64(p.AttentionLSE)})
			}
		}
		return s.w.Scalars(at, r.Step, list...)
	case train.ResumeRecord:
		return nil
	}
	return fmt.Errorf("a record of type %T", record)
}

// sources are the losses of a mixture's sources.
func sources(tag string, losses train.SourceLosses) (list []tensorboard.Scalar) {
	for _, name := range losses.Names() {
		list = append(list, tensorboard.Scalar{Tag: tag + name, Value: float64(losses[name])})
	}
	return list
}

// indented is a text as a block of code in Markdown, where nothing of it has a meaning.
func indented(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

// Close implements train.Sink.
func (s *sink) Close(finished bool) error {
	return errors.Join(s.w.End(s.at(), finished), s.w.Close())
}

// history writes what a run's metrics.jsonl has, at the times that its steps took.
func (s *sink) history(dir string, began time.Time) error {
	defer func(now func() time.Time) { s.at = now }(s.at)
	var c clock
	return train.EachMetric(dir, func(record any) error {
		c.add(record)
		s.at = func() time.Time { return began.Add(c.spent) }
		return s.Write(record)
	})
}

// WriteTensorBoard writes the event file of a run into a folder, which is made. Where the
// folder has some, nothing is written, and it says so.
func WriteTensorBoard(run *Run, dir string) (written bool, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return false, err
	}
	if older, err := tensorboard.Files(dir); err != nil || len(older) > 0 {
		return false, err
	}
	s, err := newSink(dir, &run.Config, run.Began)
	if err != nil {
		return false, err
	}
	err = s.history(run.Dir, run.Began)
	s.at = func() time.Time { return run.Began.Add(run.Spent) }
	if err = errors.Join(err, s.Close(run.Summary != nil)); err != nil {
		return false, errors.Join(err, os.Remove(s.w.Name()))
	}
	return true, nil
}

// hyperparameters are the keys of a configuration, without the facts of its run.
func hyperparameters(c *train.RunConfig) (list []tensorboard.Hyperparameter, err error) {
	keys, err := configKeys(c)
	for _, k := range keys {
		if strings.HasPrefix(k.name, "run.") {
			continue
		}
		value := k.value
		switch v := value.(type) {
		case bool, float64, string:
		case int:
			value = float64(v)
		case uint64: // of a seed too large for an int
			value = float64(v)
		default:
			value = k.text()
		}
		list = append(list, tensorboard.Hyperparameter{Key: k.name, Value: value})
	}
	return list, err
}
