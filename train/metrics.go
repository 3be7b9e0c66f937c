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
	MFU             float64 `json:"mfu"`             // model FLOPs utilisation: share of the device's peak
	DataWait        float64 `json:"data_wait"`       // share of the step's time spent waiting for its batch
	Spike           *Spike  `json:"spike,omitempty"` // of a step whose update was not made
}

// HeldoutRecord is the line of a scoring of the held-out text. What is not finite is
// null there.
type HeldoutRecord struct {
	Step        int64           `json:"step"`
	HeldoutLoss jsonfloat.Float `json:"heldout_loss"` // nats per token
	BitsPerByte jsonfloat.Float `json:"bits_per_byte"`
	Perplexity  jsonfloat.Float `json:"perplexity"` // exp(heldout_loss)
	Tokens      int64           `json:"heldout_tokens"`
}

// DamagedMetricsFile holds the lines of a metrics.jsonl that could not be read when its
// run went on.
const DamagedMetricsFile = "metrics.damaged.jsonl"

// metrics appends records to a run's metrics.jsonl. What cannot be written, on a full disk
// for one, is kept and tried again with the next record.
type metrics struct {
	file interface {
		io.WriteCloser
		Sync() error
	}
	retry   time.Duration // for how long
	pending []byte        // not written yet
	failing time.Time     // since when; zero while it works
}

// metricsError is of a line that could not be written for so long.
type metricsError struct{ error }

func (e metricsError) Unwrap() error { return e.error }

func (m *metrics) write(record any) error {
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("%s: %w", MetricsFile, err)
	}
	m.pending = append(append(m.pending, line...), '\n') // whole lines: a crash leaves at most one cut short
	if err := m.flush(); err != nil && time.Since(m.failing) >= m.retry {
		m.pending = nil // given up
		return metricsError{err}
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
// their numbers. It returns the scorings that stay.
func cutMetrics(from, dir string, step int64, retry time.Duration) (m *metrics, scored scorings, damaged []int, err error) {
	raw, err := regular.ReadFile(filepath.Join(from, MetricsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, scored, nil, err
	}
	var kept, aside bytes.Buffer
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		at, one, err := parseMetrics(line)
		switch {
		case err != nil:
			damaged = append(damaged, number)
			aside.Write(append(bytes.TrimSuffix(line, []byte("\n")), '\n'))
		case at <= step:
			kept.Write(line)
			scored.heldout = append(scored.heldout, one.heldout...)
			scored.tasks = append(scored.tasks, one.tasks...)
		}
	}
	if len(damaged) > 0 {
		path := filepath.Join(dir, DamagedMetricsFile)
		earlier, err := regular.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, scorings{}, nil, err
		}
		if err := atomicfile.Write(path, append(earlier, aside.Bytes()...)); err != nil {
			return nil, scorings{}, nil, err
		}
	}
	if err := atomicfile.Write(filepath.Join(dir, MetricsFile), kept.Bytes()); err != nil {
		return nil, scorings{}, nil, err
	}
	m, err = createMetrics(dir, retry)
	return m, scored, damaged, err
}

// ReadMetrics reads the steps and the scorings of a run's metrics.jsonl in their order. A
// line that is damaged or cut short is left out.
func ReadMetrics(dir string) (steps []StepRecord, heldout []HeldoutRecord, err error) {
	raw, err := regular.ReadFile(filepath.Join(dir, MetricsFile))
	if err != nil {
		return nil, nil, err
	}
	for line := range bytes.Lines(raw) {
		_, one, err := parseMetrics(line)
		if err != nil {
			continue
		}
		heldout = append(heldout, one.heldout...)
		if len(one.heldout)+len(one.tasks) > 0 {
			continue
		}
		var step StepRecord
		if json.Unmarshal(line, &step) == nil {
			steps = append(steps, step)
		}
	}
	return steps, heldout, nil
}

// scorings are the lines that are not of a step.
type scorings struct {
	heldout []HeldoutRecord
	tasks   []TaskRecord
}

// parseMetrics reads the step of a line, and the line where it is of a scoring.
func parseMetrics(line []byte) (step int64, s scorings, err error) {
	if !bytes.HasSuffix(line, []byte("\n")) {
		return 0, s, io.ErrUnexpectedEOF
	}
	var record struct {
		Step        *int64          `json:"step"`
		Loss        *float64        `json:"loss"`
		HeldoutLoss json.RawMessage `json:"heldout_loss"` // null is not absent
		Tasks       json.RawMessage `json:"tasks"`
	}
	if err := json.Unmarshal(line, &record); err != nil {
		return 0, s, err
	}
	switch {
	case record.Step == nil:
		return 0, s, errors.New("step is missing")
	case record.HeldoutLoss != nil:
		s.heldout = make([]HeldoutRecord, 1)
		return *record.Step, s, json.Unmarshal(line, &s.heldout[0])
	case record.Tasks != nil:
		s.tasks = make([]TaskRecord, 1)
		return *record.Step, s, json.Unmarshal(line, &s.tasks[0])
	case record.Loss == nil:
		return 0, s, errors.New("loss is missing")
	}
	return *record.Step, s, nil
}
