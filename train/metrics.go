package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/internal/atomicfile"
	"mobilellm/internal/regular"
)

// MetricsFile holds a run's numbers, a JSON object a line.
const MetricsFile = "metrics.jsonl"

// StepRecord is the line of a training step.
type StepRecord struct {
	Step            int64   `json:"step"`                 // updates done
	Tokens          int64   `json:"tokens"`               // trained on since the run began
	Loss            float64 `json:"loss"`                 // nats per token, before the update
	LabelLoss       float64 `json:"label_loss,omitempty"` // with a teacher: of the text alone
	LR              float64 `json:"lr"`
	GradNorm        float64 `json:"grad_norm"` // before clipping
	TokensPerSecond float64 `json:"tokens_per_second"`
	MFU             float64 `json:"mfu"`       // model FLOPs utilisation: share of the device's peak
	DataWait        float64 `json:"data_wait"` // share of the step's time spent waiting for its batch
}

// HeldoutRecord is the line of a scoring of the held-out text.
type HeldoutRecord struct {
	Step        int64   `json:"step"`
	HeldoutLoss float64 `json:"heldout_loss"` // nats per token
	BitsPerByte float64 `json:"bits_per_byte"`
	Perplexity  float64 `json:"perplexity"` // exp(heldout_loss)
	Tokens      int64   `json:"heldout_tokens"`
}

// metrics appends records to a run's metrics.jsonl.
type metrics struct{ file *os.File }

func (m *metrics) write(record any) error {
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("%s: %w", MetricsFile, err)
	}
	_, err = m.file.Write(append(line, '\n')) // whole lines: a crash leaves at most one cut short
	return err
}

func (m *metrics) sync() error { return m.file.Sync() }

func (m *metrics) close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.file.Sync(), m.file.Close())
}

func createMetrics(dir string) (*metrics, error) {
	f, err := os.OpenFile(filepath.Join(dir, MetricsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &metrics{f}, nil
}

// cutMetrics opens the metrics of a run that goes on from a step: what from
// recorded up to and including that step is kept in dir, later lines and one cut
// short are not. It returns the held-out records that stay.
func cutMetrics(from, dir string, step int64) (*metrics, []HeldoutRecord, error) {
	raw, err := regular.ReadFile(filepath.Join(from, MetricsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	var kept bytes.Buffer
	var heldout []HeldoutRecord
	for r := bufio.NewReader(bytes.NewReader(raw)); ; {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			break // and what has no line end was being written
		}
		var record struct {
			Step        *int64   `json:"step"`
			HeldoutLoss *float64 `json:"heldout_loss"`
		}
		if json.Unmarshal(line, &record) != nil || record.Step == nil || *record.Step > step {
			continue
		}
		kept.Write(line)
		if record.HeldoutLoss == nil {
			continue
		}
		var h HeldoutRecord
		if err := json.Unmarshal(line, &h); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(from, MetricsFile), err)
		}
		heldout = append(heldout, h)
	}
	if err := atomicfile.Write(filepath.Join(dir, MetricsFile), kept.Bytes()); err != nil {
		return nil, nil, err
	}
	m, err := createMetrics(dir)
	return m, heldout, err
}
