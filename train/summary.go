package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/internal/atomicfile"
	"mobilellm/internal/regular"
)

// SummaryFile holds what came out of a run. It exists once the run has made all its
// steps and its last scoring.
const SummaryFile = "result.json"

// Summary is result.json.
type Summary struct {
	Parameters      int64          `json:"parameters"`
	FLOPsPerToken   int64          `json:"flops_per_token"` // forward and backward pass
	Step            int64          `json:"step"`
	Tokens          int64          `json:"tokens"`
	Loss            float64        `json:"loss"` // of the last step, nats per token
	Heldout         HeldoutRecord  `json:"heldout"`
	Before          *HeldoutRecord `json:"heldout_before,omitempty"` // any step, of a run that started from another model
	Tasks           []TaskScore    `json:"tasks,omitempty"`          // of the last step
	Seconds         float64        `json:"seconds"`                  // of all steps together, saving and scoring left out
	TokensPerSecond float64        `json:"tokens_per_second"`
	MemoryBytes     int64          `json:"memory_bytes"`      // as planned
	PeakMemoryBytes int64          `json:"peak_memory_bytes"` // VmHWM of the process that ended the run
	Checkpoint      string         `json:"checkpoint"`        // of the last step, within the run's folder
	DataFingerprint string         `json:"data_fingerprint"`
}

// ReadSummary reads the result.json of a run's folder. Its error wraps
// fs.ErrNotExist where the run is not finished.
func ReadSummary(dir string) (*Summary, error) {
	raw, err := regular.ReadFile(filepath.Join(dir, SummaryFile))
	if err != nil {
		return nil, err
	}
	s := new(Summary)
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, SummaryFile), err)
	}
	return s, nil
}

// summarize writes the result.json of a run that has made all its steps.
func (r *run) summarize() error {
	s := &r.state
	if s.heldout == nil || s.heldout.Step != s.step {
		return nil
	}
	seconds, err := stepSeconds(filepath.Join(r.o.Out, MetricsFile))
	if err != nil {
		return err
	}
	out := Summary{
		Parameters: r.c.Model.ParameterCount(), FLOPsPerToken: r.c.Model.TrainingFLOPs(r.c.Data.Seq),
		Step: s.step, Tokens: s.tokens, Loss: s.loss, Heldout: *s.heldout, Seconds: seconds, TokensPerSecond: float64(s.tokens) / max(seconds, 1e-9),
		MemoryBytes: r.memory.Total(), PeakMemoryBytes: peakMemory(),
		Checkpoint: filepath.ToSlash(filepath.Join(CheckpointsDir, filepath.Base(s.savedPath))), DataFingerprint: r.text.Train.Fingerprint(),
	}
	out.Before = s.before
	if s.tasks != nil && s.tasks.Step == s.step {
		out.Tasks = s.tasks.Tasks
	}
	raw, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(r.o.Out, SummaryFile), append(raw, '\n'))
}

// unfinish takes the result of a run that goes on.
func unfinish(dir string) error {
	err := os.Remove(filepath.Join(dir, SummaryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// stepSeconds is the time of all steps that a metrics.jsonl holds, so that of a
// run which was resumed counts what is left of each part.
func stepSeconds(path string) (float64, error) {
	f, err := regular.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var seconds float64
	var before int64 // tokens
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var step StepRecord
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		if step.TokensPerSecond > 0 { // a scoring has no speed
			seconds += float64(step.Tokens-before) / step.TokensPerSecond
			before = step.Tokens
		}
	}
	return seconds, nil
}
