package train

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"mobilellm/checkpoint"
	"mobilellm/data"
)

// SpikeGuard is the `train.spike_guard:` section. A step whose loss or gradient norm lies
// far above those of the steps before is a spike, and its update is not made.
type SpikeGuard struct {
	Action string  `yaml:"action" help:"What a spike does: none, skip (the step counts, its update is not made and metrics.jsonl lists its samples) or stop (the run saves and ends)."`
	Of     string  `yaml:"of" help:"What is looked at: loss, grad_norm or either."`
	ZScore float64 `yaml:"z_score" help:"A spike is so many standard deviations above the mean of the window; a deviation counts as 1 % of the mean at least."`
	Window int     `yaml:"window" help:"Steps that mean and deviation are of, spikes left out; before there are so many no step is a spike."`
	Most   int     `yaml:"most" help:"Spikes one after the other that stop the run even where each is skipped."`
}

// What a spike does, and of what it is.
const (
	SpikeNone, SpikeSkip, SpikeStop   = "none", "skip", "stop"
	spikeLoss, spikeNorm, spikeEither = "loss", "grad_norm", "either"
)

// minDeviation is the least standard deviation, as a share of the mean: in a window of
// equal values everything else would be a spike.
const minDeviation = 0.01

// On says whether anything is done about spikes.
func (s SpikeGuard) On() bool { return s.Action != "" && s.Action != SpikeNone }

func (s SpikeGuard) validate() error {
	if !s.On() {
		return nil
	}
	var errs []error
	if s.Action != SpikeSkip && s.Action != SpikeStop {
		errs = append(errs, fmt.Errorf("train.spike_guard.action (%q) must be none, skip or stop", s.Action))
	}
	if !slices.Contains([]string{spikeLoss, spikeNorm, spikeEither}, s.Of) {
		errs = append(errs, fmt.Errorf("train.spike_guard.of (%q) must be loss, grad_norm or either", s.Of))
	}
	if !(s.ZScore > 0) || math.IsInf(s.ZScore, 0) {
		errs = append(errs, fmt.Errorf("train.spike_guard.z_score (%g) must be positive", s.ZScore))
	}
	return errors.Join(append(errs, atLeast("train.spike_guard.window", s.Window, 2), atLeast("train.spike_guard.most", s.Most, 1))...)
}

// Spike is a step whose update was not made, in its line of metrics.jsonl.
type Spike struct {
	Of      string           `json:"of"`      // loss or grad_norm
	ZScore  float64          `json:"z_score"` // of it
	Samples []TrainingSample `json:"samples"` // of the step
}

// TrainingSample is one that a step trained on.
type TrainingSample struct {
	Number     int64  `json:"sample"`                // in the run, from 0
	MicroBatch int    `json:"micro_batch,omitempty"` // of the step, from 1
	Text       string `json:"text"`
}

// SpikeError stops a run before the update of a spike.
type SpikeError struct {
	Step   int64 // the update that was not made, counted from 1
	Of     string
	Value  float64
	ZScore float64
	InARow int    // spikes one after the other, this one with them
	Folder string // of what led to it, empty where it could not be written
}

func (e *SpikeError) Error() string {
	text := fmt.Sprintf("step %d: the %s is %.4g, %.1f standard deviations above the steps before", e.Step, e.Of, e.Value, e.ZScore)
	if e.InARow > 1 {
		text += fmt.Sprintf(", and spike %d one after the other", e.InARow)
	}
	return text + "\nhint: the weights were not updated; look at the samples, or go on with train.spike_guard.action skip, none or another z_score" + replayHint(e.Folder)
}

// guard watches a run for spikes; nil for one that does not.
type guard struct {
	c             SpikeGuard
	losses, norms []float64 // of the window, the oldest first
	skipped       int64
	inARow        int
	spike         *Spike // of this step, without its samples; nil where it is none
}

func newGuard(c SpikeGuard) *guard {
	if !c.On() {
		return nil
	}
	return &guard{c: c}
}

// holds says whether a step is a spike, whose update is not to be made. What is not finite
// is none: it stops the run by itself.
func (g *guard) holds(loss, norm float64) bool {
	if g == nil {
		return false
	}
	g.spike = nil
	if len(g.losses) < g.c.Window || !finite(loss) || !finite(norm) {
		return false
	}
	for _, one := range []struct {
		of     string
		window []float64
		value  float64
	}{{spikeLoss, g.losses, loss}, {spikeNorm, g.norms, norm}} {
		if z := zScore(one.window, one.value); z > g.c.ZScore && (g.c.Of == one.of || g.c.Of == spikeEither) && (g.spike == nil || z > g.spike.ZScore) {
			g.spike = &Spike{Of: one.of, ZScore: z}
		}
	}
	return g.spike != nil
}

// zScore is how many standard deviations x is above the mean of values.
func zScore(values []float64, x float64) float64 {
	var sum, squares float64
	for _, v := range values {
		sum += v
	}
	mean := sum / float64(len(values))
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	deviation := max(math.Sqrt(squares/float64(len(values))), minDeviation*math.Abs(mean), math.SmallestNonzeroFloat64)
	return (x - mean) / deviation
}

// guarded takes a step into the window or, where it is a spike, counts it. The error is of
// one that stops the run.
func (r *run) guarded(b *data.Batch, loss, norm float64) error {
	g := r.guard
	if g == nil {
		return nil
	}
	if g.spike == nil {
		g.inARow = 0
		g.losses, g.norms = pushed(g.losses, loss, g.c.Window), pushed(g.norms, norm, g.c.Window)
		return nil
	}
	value := map[string]float64{spikeLoss: loss, spikeNorm: norm}[g.spike.Of]
	g.spike.Samples = r.samples(b, spikeText)
	if g.c.Action == SpikeStop || g.inARow+1 >= g.c.Most {
		return r.refuseSpike(b, &SpikeError{Step: r.state.step + 1, Of: named(g.spike.Of), Value: value, ZScore: g.spike.ZScore, InARow: g.inARow + 1}, loss)
	}
	g.inARow++
	g.skipped++
	r.o.Progress.Note("step %d: the %s is %.4g, %.1f standard deviations above the steps before: its update is not made (%d skipped so far)",
		r.state.step+1, named(g.spike.Of), value, g.spike.ZScore, g.skipped)
	return nil
}

func named(of string) string {
	if of == spikeNorm {
		return "gradient norm"
	}
	return of
}

// pushed adds the newest value to a window.
func pushed(window []float64, x float64, most int) []float64 {
	window = append(window, x)
	return window[max(0, len(window)-most):]
}

// record is the spike that this step is, nil for none.
func (g *guard) record() *Spike {
	if g == nil {
		return nil
	}
	return g.spike
}

func (g *guard) state() *checkpoint.Guard {
	if g == nil {
		return nil
	}
	return &checkpoint.Guard{Losses: slices.Clone(g.losses), Norms: slices.Clone(g.norms), Skipped: g.skipped, InARow: g.inARow}
}

// restore takes what a checkpoint has of a window, which may have been longer.
func (g *guard) restore(s *checkpoint.Guard) {
	if g == nil || s == nil {
		return
	}
	g.losses = s.Losses[max(0, len(s.Losses)-g.c.Window):]
	g.norms = s.Norms[max(0, len(s.Norms)-g.c.Window):]
	g.skipped, g.inARow = s.Skipped, s.InARow
}

const (
	spikeText = 200     // bytes of a sample's text in metrics.jsonl
	wholeText = 1 << 30 // all of it
)

// samples are those of a batch, with so many bytes of their text.
func (r *run) samples(b *data.Batch, text int) []TrainingSample {
	list := make([]TrainingSample, b.Rows)
	for i := range list {
		ids := b.Inputs[i*b.Seq : (i+1)*b.Seq]
		if end := supervised(b.Targets[i*b.Seq : (i+1)*b.Seq]); end > 0 {
			ids = ids[:end] // what comes after is padding
		}
		raw := r.text.Tokenizer.Decode(ids)
		list[i] = TrainingSample{
			Number: b.Step*int64(b.Rows) + int64(i), MicroBatch: i/r.choice.MicroBatch + 1,
			Text: string(raw[:min(len(raw), text)]),
		}
	}
	return list
}

// supervised is where the supervised part of a row ends.
func supervised(targets []int32) int {
	for i := len(targets); i > 0; i-- {
		if targets[i-1] != data.Ignored {
			return i
		}
	}
	return 0
}
