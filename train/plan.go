package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/bar"
)

// Choice is what a run settled on where its configuration leaves it open. It is
// recorded with every checkpoint and used again on resume, as the losses depend
// on it in their last bits.
type Choice struct {
	MicroBatch int
	Precision  engine.Precision
	Recompute  engine.Recompute
}

// Plan says what a run will take.
type Plan struct {
	Parameters    int64        `json:"parameters"`
	Trained       int64        `json:"trained_parameters"` // adapters, or those of the model that are not frozen
	FLOPsPerToken int64        `json:"flops_per_token"`    // forward and backward pass
	MemoryBytes   int64        `json:"memory_bytes"`       // the process at its largest
	Memory        Memory       `json:"memory"`             // its parts
	Tokens        int64        `json:"tokens"`             // in the whole run
	TextBytes     int64        `json:"text_bytes"`         // to train on, estimated
	TextTokens    int64        `json:"text_tokens"`        // estimated
	Passes        float64      `json:"passes"`             // over the text, or the source that is read most often; estimated
	Steps         int          `json:"steps"`
	Batch         int          `json:"batch"` // sequences in a step
	Seq           int          `json:"seq"`   // tokens in a sequence
	MicroBatch    int          `json:"micro_batch"`
	Precision     string       `json:"precision"`
	Recompute     string       `json:"recompute"`
	Fits          bool         `json:"fits"` // whether so much memory is available
	Available     int64        `json:"available_bytes"`
	Device        string       `json:"device"`
	PeakFLOPS     float64      `json:"peak_flops"`   // FLOP/s, measured just now
	AssumedMFU    float64      `json:"assumed_mfu"`  // share of the peak taken for the estimate
	Seconds       float64      `json:"time_seconds"` // estimated
	Teacher       *TeacherPlan `json:"teacher,omitempty"`
	Scale         *ScalePlan   `json:"scale,omitempty"` // of several ranks
	Notes         []string     `json:"notes,omitempty"`

	texts []string
}

// TeacherPlan says what a teacher adds to a run that it is part of.
type TeacherPlan struct {
	Parameters    int64   `json:"parameters"`
	FLOPsPerToken int64   `json:"flops_per_token"` // forward pass
	MemoryBytes   int64   `json:"memory_bytes"`    // weights, activations and scratch
	TimeShare     float64 `json:"time_share"`      // of the whole run, estimated
	Seconds       float64 `json:"time_seconds"`    // estimated
}

const (
	// microTokens bounds a micro-batch: beyond it matmuls get no faster and
	// activations cost memory.
	microTokens = 16 << 10
	// acceleratorTokens likewise on an accelerator, whose thousands of lanes want
	// larger matmuls.
	acceleratorTokens = 64 << 10
	// memoryShare of what is available may be planned for.
	memoryShare = 0.8
	// assumedMFU is the share of peak that the time estimate takes: what models
	// of 100 million parameters and more reach.
	assumedMFU = 0.55
	// peakRun is the length of one of the runs that measure the peak.
	peakRun = 20 * time.Millisecond
)

// choose settles micro-batch, precision and recompute, and tells the memory that
// the run will need. fixed, when not nil, is the choice of the run that is
// resumed; it stands where c says auto. Where nothing else fits, checkpoints are written
// without a copy.
func choose(c *RunConfig, fixed *Choice, available, text int64, dev device.Device) (Choice, Memory, []string, error) {
	choice, m, notes, err := chooseWithin(c, fixed, available, text, dev)
	var tooLarge *MemoryError
	if m.Saving == 0 || available == 0 || m.Total() <= available && !errors.As(err, &tooLarge) {
		return choice, m, notes, err
	}
	without := *c
	without.noCopy = true
	leaner, least, more, lean := chooseWithin(&without, fixed, available, text, dev)
	if lean != nil {
		return leaner, least, more, lean
	}
	return leaner, least, append(more, fmt.Sprintf("checkpoints are written while the run waits: there is no memory for a copy of weights and moments, %s", gigabytes(m.Saving))), nil
}

func chooseWithin(c *RunConfig, fixed *Choice, available, text int64, dev device.Device) (Choice, Memory, []string, error) {
	choice := Choice{int(c.Train.MicroBatch), c.Train.Precision.resolve(dev), engine.Recompute(c.Train.Recompute)}
	if fixed != nil {
		if c.Train.Precision.Auto {
			choice.Precision = fixed.Precision
		}
		if choice.MicroBatch == 0 {
			choice.MicroBatch, choice.Recompute = fixed.MicroBatch, fixed.Recompute
		}
	}
	if choice.MicroBatch > 0 {
		m, err := estimate(c, choice.MicroBatch, choice.Precision, choice.Recompute, text, dev)
		if err != nil {
			return Choice{}, Memory{}, nil, err
		}
		var notes []string
		if available > 0 && m.Total() > available {
			notes = append(notes, fmt.Sprintf("the run needs about %s, of which %s are available", gigabytes(m.Total()), gigabytes(available)))
		}
		return choice, m, notes, nil
	}
	limit := int64(memoryShare * float64(available))
	most := microTokens
	if _, ok := dev.(device.Accelerator); ok {
		most = acceleratorTokens
	}
	first := largestDivisor(c.rankBatch(), max(1, most/c.Data.Seq))
	for rows := first; ; rows = largestDivisor(c.rankBatch(), rows-1) {
		m, err := estimate(c, rows, choice.Precision, choice.Recompute, text, dev)
		if err != nil {
			return Choice{}, Memory{}, nil, err
		}
		choice.MicroBatch = rows
		if available == 0 || m.Total() <= limit {
			return choice, m, nil, nil
		}
		if rows > 1 {
			continue
		}
		if choice.Recompute != engine.RecomputeBlock {
			return chooseRecompute(c, choice, m, available, text, dev)
		}
		return choice, m, nil, &MemoryError{m, available}
	}
}

// chooseRecompute is for a run that does not fit with a single sequence.
func chooseRecompute(c *RunConfig, choice Choice, before Memory, available, text int64, dev device.Device) (Choice, Memory, []string, error) {
	choice.Recompute = engine.RecomputeBlock
	m, err := estimate(c, 1, choice.Precision, choice.Recompute, text, dev)
	if err != nil {
		return Choice{}, Memory{}, nil, err
	}
	if m.Total() > int64(memoryShare*float64(available)) {
		return choice, m, nil, &MemoryError{m, available}
	}
	note := fmt.Sprintf("one sequence at a time needs %s, more than %.0f %% of the %s available: the backward pass computes blocks again (train.recompute: block), which takes %s",
		gigabytes(before.Total()), 100*memoryShare, gigabytes(available), gigabytes(m.Total()))
	return choice, m, []string{note}, nil
}

// MemoryError is a run that does not fit memory even one sequence at a time.
type MemoryError struct {
	Memory    Memory
	Available int64 // bytes
}

func (e *MemoryError) Error() string {
	m := e.Memory
	return fmt.Sprintf("not enough memory: one sequence at a time needs %s (weights %s, gradients %s, optimizer %s, activations %s, teacher %s, tasks %s), of which at most %.0f %% of the %s available are planned for"+
		"\nhint: a smaller model or data.seq needs less; train.micro_batch: 1 with train.recompute: block tries all the same",
		gigabytes(m.Total()), gigabytes(m.Weights), gigabytes(m.Gradients), gigabytes(m.Optimizer), gigabytes(m.Activations+m.Scoring), gigabytes(m.Teacher), gigabytes(m.Tasks),
		100*memoryShare, gigabytes(e.Available))
}

// NewPlan plans a run without reading its text. Of a run [RunConfig.ForRanks], whose machines
// are like this one, it tells the memory of one of them and the step of all.
func NewPlan(ctx context.Context, c RunConfig, dev device.Device) (*Plan, error) {
	c.Model = c.Model.Resolved()
	c.estimateSteps(ctx)
	available := deviceMemory(dev)
	choice, memory, notes, err := choose(&c, nil, available, textSize(ctx, c.Data), dev)
	var tooLarge *MemoryError
	if errors.As(err, &tooLarge) { // the numbers are what was asked for
		notes, err = append(notes, tooLarge.Error()), nil
	}
	if err != nil {
		return nil, err
	}
	peak, err := dev.Peak(choice.Precision, peakRun)
	if err != nil {
		return nil, err
	}
	trains, err := c.parameters()
	if err != nil {
		return nil, err
	}
	model, teacher, err := c.flopsPerToken()
	if err != nil {
		return nil, err
	}
	p := &Plan{
		Parameters: c.Model.ParameterCount(), Trained: values(trains.learning()), FLOPsPerToken: model,
		Memory: memory, MemoryBytes: memory.Total(),
		Tokens: c.stepTokens() * int64(c.Train.Steps), Steps: c.Train.Steps, Batch: c.Train.Batch, Seq: c.Data.Seq,
		MicroBatch: choice.MicroBatch, Precision: choice.Precision.String(), Recompute: choice.Recompute.String(),
		Device: dev.Name(), Fits: tooLarge == nil, Available: available, PeakFLOPS: peak, AssumedMFU: assumedMFU, Notes: append(c.doubts(), notes...),
	}
	if _, ok := dev.(device.Accelerator); ok {
		p.Notes = append(p.Notes, fmt.Sprintf("checkpoints are written from a copy in the host's memory, %s", gigabytes(copyBytes(&c, memory.Optimizer))))
	}
	p.readText(plannedReadings(ctx, &c))
	p.Seconds = estimateTime(&c, model+teacher, int64(c.Train.Steps), peak).Seconds()
	if c.ranks > 1 {
		course, err := c.readinesses(choice, dev)
		if err != nil {
			return nil, err
		}
		s := c.scale(cmp.Or(c.compute, p.Seconds/float64(c.Train.Steps*c.ranks)), course)
		p.Scale, p.Seconds = &s, s.Step*float64(c.Train.Steps)
	}
	if teacher > 0 {
		t, err := c.teacherConfig()
		if err != nil {
			return nil, err
		}
		share := float64(teacher) / float64(model+teacher)
		p.Teacher = &TeacherPlan{
			Parameters: t.ParameterCount(), FLOPsPerToken: teacher, MemoryBytes: memory.Teacher, TimeShare: share, Seconds: share * p.Seconds,
		}
	}
	return p, nil
}

// readText says how often the text is read.
func (p *Plan) readText(list []reading) {
	for _, r := range list {
		p.TextBytes, p.TextTokens = p.TextBytes+int64(r.bytes), p.TextTokens+int64(r.tokens)
		p.texts = append(p.texts, r.String())
	}
	worst := most(list)
	p.Passes = worst.passes
	if warning := worst.warning(p.Steps); warning != "" {
		p.Notes = append(p.Notes, warning)
	}
}

// Texts are sentences about how often each text is read.
func (p *Plan) Texts() []string { return p.texts }

// Time is the estimated time in a few letters, such as 2d03h.
func (t *TeacherPlan) Time() string {
	return bar.Time(time.Duration(t.Seconds * float64(time.Second)))
}

// Time is the estimated time in a few letters, such as 2d03h.
func (p *Plan) Time() string { return bar.Time(time.Duration(p.Seconds * float64(time.Second))) }

// estimateTime is how long so many steps take at the assumed share of the peak.
func estimateTime(c *RunConfig, flopsPerToken, steps int64, peak float64) time.Duration {
	seconds := float64(flopsPerToken) * float64(c.stepTokens()*steps) / (peak * assumedMFU)
	return time.Duration(min(seconds, 1e9) * float64(time.Second))
}

func gigabytes(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
