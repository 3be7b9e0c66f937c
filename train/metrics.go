package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mobilellm/internal/atomicfile"
	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/regular"
)

// MetricsFile holds a run's numbers, a JSON object a line.
const MetricsFile = "metrics.jsonl"

// StepRecord is the line of a training step.
type StepRecord struct {
	Step            int64   `json:"step"`                 // updates done
	Tokens          int64   `json:"tokens"`               // trained on since the run began
	Supervised      int64   `json:"supervised,omitempty"` // tokens of this step that the loss is of, where not all are
	Loss            float64 `json:"loss"`                 // nats per token, before the update
	LabelLoss       float64 `json:"label_loss,omitempty"` // with a teacher: of the text alone
	ZLoss           float64 `json:"z_loss,omitempty"`     // train.z_loss's term, which is trained on beside the loss
	LR              float64 `json:"lr"`
	GradNorm        float64 `json:"grad_norm"` // before clipping
	TokensPerSecond float64 `json:"tokens_per_second"`
	MFU             float64 `json:"mfu"`                         // model FLOPs utilisation: share of the device's peak
	DataWait        float64 `json:"data_wait"`                   // share of the step's time spent waiting for its batch
	MemoryBytes     int64   `json:"memory_bytes,omitempty"`      // VmHWM, or what is in use of an accelerator's memory
	Wire            float64 `json:"wire_seconds,omitempty"`      // that gradients were on their way between ranks, and weights
	WireWait        float64 `json:"wire_wait_seconds,omitempty"` // of them, those that no computing hid
	Spike           *Spike  `json:"spike,omitempty"`             // of a step whose update was not made

	SourceLosses SourceLosses `json:"source_losses,omitempty"` // of a mixture's sources that the step had tokens of
}

// HeldoutRecord is the line of a scoring of the held-out text. What is not finite is
// null there.
type HeldoutRecord struct {
	Step        int64           `json:"step"`
	HeldoutLoss jsonfloat.Float `json:"heldout_loss"` // nats per token
	BitsPerByte jsonfloat.Float `json:"bits_per_byte"`
	Perplexity  jsonfloat.Float `json:"perplexity"` // exp(heldout_loss)
	Tokens      int64           `json:"heldout_tokens"`

	SourceLosses SourceLosses `json:"source_losses,omitempty"` // where the text is of several
}

// SampleRecord is the line of the texts that the model wrote.
type SampleRecord struct {
	Step    int64    `json:"step"`
	Samples []Sample `json:"samples"`
}

// Sample is a prompt and how the model went on.
type Sample struct {
	Prompt string `json:"prompt"`
	Text   string `json:"text"` // behind the prompt
}

// LayersRecord is the line of what was measured in the layers, see [Watching].
type LayersRecord struct {
	Step int64 `json:"step"`
	// Layers are the weight layers by number, and what is outside: embedding, norm, head.
	Layers []LayerNorms `json:"layers"`
	// Positions are those of the schedule, of the step's first micro-batch.
	Positions []PositionPeak `json:"positions"`
}

// LayerNorms are L2 norms over all parameters of a layer.
type LayerNorms struct {
	Name     string          `json:"name"`
	Weight   jsonfloat.Float `json:"weight_norm"`  // before the update
	Gradient jsonfloat.Float `json:"grad_norm"`    // before clipping
	Update   jsonfloat.Float `json:"update_norm"`  // of what the step adds to the weights
	Ratio    jsonfloat.Float `json:"update_ratio"` // update over weight
}

// PositionPeak are largest values of the forward pass at a position of the schedule.
type PositionPeak struct {
	Activation jsonfloat.Float `json:"activation"` // magnitude of any result
	// AttentionLSE is the largest log-sum-exp of a query's scaled logits: at least the
	// largest logit, at most the logarithm of the context's length above it.
	AttentionLSE jsonfloat.Float `json:"attention_lse"`
}

// ResumeRecord is the line of a run that goes on, before its next.
type ResumeRecord struct {
	Step    int64     `json:"step"`            // of the checkpoint
	Resumed time.Time `json:"resumed"`         // when
	Again   int64     `json:"again,omitempty"` // steps beyond the checkpoint, which are made again
}

// DamagedMetricsFile holds the lines of a metrics.jsonl that could not be read when its
// run went on.
const DamagedMetricsFile = "metrics.damaged.jsonl"

// metrics appends records to a run's metrics.jsonl. What cannot be written, on a full disk
// for one, is kept and tried again with the next record. A sink gets them too.
type metrics struct {
	file interface {
		io.WriteCloser
		Sync() error
	}
	retry   time.Duration // for how long
	pending []byte        // not written yet
	failing time.Time     // since when; zero while it works

	resume   *ResumeRecord // that stands before the next record
	sink     Sink          // nil for none
	lost     func(error)   // told why the sink is given up
	finished bool          // the run
}

// metricsError is of a line that could not be written for so long.
type metricsError struct{ error }

func (e metricsError) Unwrap() error { return e.error }

func (m *metrics) write(record any) error {
	if resume := m.resume; resume != nil {
		m.resume = nil
		if err := m.write(*resume); err != nil {
			return err
		}
	}
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("%s: %w", MetricsFile, err)
	}
	m.pending = append(append(m.pending, line...), '\n') // whole lines: a crash leaves at most one cut short
	if err := m.flush(); err != nil && time.Since(m.failing) >= m.retry {
		m.pending = nil // given up
		return metricsError{err}
	}
	if m.sink != nil {
		if err := m.sink.Write(record); err != nil {
			m.lost(errors.Join(err, m.sink.Close(false)))
			m.sink = nil
		}
	}
	return nil
}

// flush writes what is pending.
func (m *metrics) flush() error {
	if len(m.pending) == 0 {
		return nil
	}
	n, err := m.file.Write(m.pending)
	m.pending = m.pending[:copy(m.pending, m.pending[n:])]
	switch {
	case err == nil:
		m.failing = time.Time{}
	case m.failing.IsZero():
		m.failing = time.Now()
	}
	return err
}

// sync may be called beside write.
func (m *metrics) sync() error { return m.file.Sync() }

func (m *metrics) close() error {
	if m == nil {
		return nil
	}
	var unwritten error
	if len(m.pending) > 0 {
		if err := m.flush(); err != nil {
			unwritten = fmt.Errorf("%s: %w", MetricsFile, err)
		}
	}
	if m.sink != nil {
		if err := m.sink.Close(m.finished); err != nil {
			m.lost(err)
		}
	}
	return errors.Join(unwritten, m.file.Sync(), m.file.Close())
}

func createMetrics(dir string, retry time.Duration) (*metrics, error) {
	f, err := os.OpenFile(filepath.Join(dir, MetricsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &metrics{file: f, retry: retry}, nil
}

// cutMetrics opens the metrics of a run that goes on from a step: what from recorded
// up to and including that step is kept in dir, later lines are not. Lines that cannot
// be read, one cut short among them, are kept aside in metrics.damaged.jsonl; damaged are
// their numbers. It returns the lines that stay.
func cutMetrics(from, dir string, step int64, retry time.Duration) (m *metrics, stay Metrics, damaged []int, err error) {
	raw, err := regular.ReadFile(filepath.Join(from, MetricsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, stay, nil, err
	}
	var kept, aside bytes.Buffer
	resume := ResumeRecord{Step: step, Resumed: time.Now().Truncate(time.Second)}
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		record, at, err := parseMetrics(line)
		switch {
		case err != nil:
			damaged = append(damaged, number)
			aside.Write(append(bytes.TrimSuffix(line, []byte("\n")), '\n'))
		case at <= step:
			kept.Write(line)
			stay.add(record)
		default:
			resume.Again = at - step
		}
	}
	if len(damaged) > 0 {
		path := filepath.Join(dir, DamagedMetricsFile)
		earlier, err := regular.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, Metrics{}, nil, err
		}
		if err := atomicfile.Write(path, append(earlier, aside.Bytes()...)); err != nil {
			return nil, Metrics{}, nil, err
		}
	}
	if err := atomicfile.Write(filepath.Join(dir, MetricsFile), kept.Bytes()); err != nil {
		return nil, Metrics{}, nil, err
	}
	if m, err = createMetrics(dir, retry); err == nil {
		m.resume = &resume
	}
	return m, stay, damaged, err
}

// Metrics are the lines of a run's metrics.jsonl, each kind in its order.
type Metrics struct {
	Steps   []StepRecord
	Heldout []HeldoutRecord
	Tasks   []TaskRecord
	Samples []SampleRecord
	Resumes []ResumeRecord
	Layers  []LayersRecord
}

func (m *Metrics) add(record any) {
	switch r := record.(type) {
	case StepRecord:
		m.Steps = append(m.Steps, r)
	case HeldoutRecord:
		m.Heldout = append(m.Heldout, r)
	case TaskRecord:
		m.Tasks = append(m.Tasks, r)
	case SampleRecord:
		m.Samples = append(m.Samples, r)
	case ResumeRecord:
		m.Resumes = append(m.Resumes, r)
	case LayersRecord:
		m.Layers = append(m.Layers, r)
	}
}

// ReadMetrics reads a run's metrics.jsonl. A line that is damaged or cut short is left
// out.
func ReadMetrics(dir string) (*Metrics, error) {
	m := new(Metrics)
	return m, EachMetric(dir, func(record any) error { m.add(record); return nil })
}

// EachMetric calls yield with the lines of a run's metrics.jsonl in their order, of the
// types that [Metrics] has. A line that is damaged or cut short is left out.
func EachMetric(dir string, yield func(record any) error) error {
	raw, err := regular.ReadFile(filepath.Join(dir, MetricsFile))
	if err != nil {
		return err
	}
	for line := range bytes.Lines(raw) {
		record, _, err := parseMetrics(line)
		if err != nil {
			continue
		}
		if err := yield(record); err != nil {
			return err
		}
	}
	return nil
}

// parseMetrics reads a line, and its step.
func parseMetrics(line []byte) (record any, step int64, err error) {
	if !bytes.HasSuffix(line, []byte("\n")) {
		return nil, 0, io.ErrUnexpectedEOF
	}
	var has struct {
		Step        *int64          `json:"step"`
		Loss        *float64        `json:"loss"`
		HeldoutLoss json.RawMessage `json:"heldout_loss"` // null is not absent
		Tasks       json.RawMessage `json:"tasks"`
		Samples     json.RawMessage `json:"samples"`
		Resumed     json.RawMessage `json:"resumed"`
		Layers      json.RawMessage `json:"layers"`
	}
	if err := json.Unmarshal(line, &has); err != nil {
		return nil, 0, err
	}
	switch {
	case has.Step == nil:
		return nil, 0, errors.New("step is missing")
	case has.HeldoutLoss != nil:
		record, err = decode[HeldoutRecord](line)
	case has.Tasks != nil:
		record, err = decode[TaskRecord](line)
	case has.Samples != nil:
		record, err = decode[SampleRecord](line)
	case has.Resumed != nil:
		record, err = decode[ResumeRecord](line)
	case has.Layers != nil:
		record, err = decode[LayersRecord](line)
	case has.Loss == nil:
		return nil, 0, errors.New("loss is missing")
	default:
		record, err = decode[StepRecord](line)
	}
	return record, *has.Step, err
}

func decode[T any](line []byte) (record T, err error) {
	err = json.Unmarshal(line, &record)
	return record, err
}
