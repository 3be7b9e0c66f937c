package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"mobilellm/internal/regular"
)

// The files that a run's checkpoint has besides those of its model.
const (
	OptimizerFile = "optimizer.safetensors"
	StateFile     = "state.json"
)

// stateVersion is the version of state.json that is read and written.
const stateVersion = 1

// State is state.json: all that a run needs, besides weights and moments, to go
// on as if it had not stopped.
type State struct {
	Version        int    `json:"version"`            // set by Save
	Checksum       string `json:"checksum,omitempty"` // of this file, see sealed; set by Save, absent in older files
	Step           int64  `json:"step"`               // updates done; the next step has this number
	Tokens         int64  `json:"tokens"`             // tokens trained on
	OptimizerSteps int    `json:"optimizer_steps"`    // the optimizer's own count, for its bias correction
	Seed           uint64 `json:"seed"`

	Data     DataPosition `json:"data"`
	Loss     Losses       `json:"loss"`
	Schedule ScheduleInfo `json:"schedule"`
	Chosen   Chosen       `json:"chosen"`
	Guard    *Guard       `json:"guard,omitempty"` // of a run that watches for spikes

	Config   string             `json:"config"`   // the run's resolved configuration, as YAML
	Versions map[string]string  `json:"versions"` // of the program and its libraries
	Files    map[string]FileSum `json:"files"`    // every other file of the checkpoint; set by Save
}

// DataPosition is where the run stands in its data. The sampler is a pure
// function of seed and position, so this is all there is to restore.
type DataPosition struct {
	Epoch       int    `json:"epoch"`       // passes over the text completed; of a mixture over every source
	Sample      int64  `json:"sample"`      // samples drawn since
	Samples     int64  `json:"samples"`     // samples drawn in all
	Ranks       int    `json:"ranks"`       // processes that share the samples
	Fingerprint string `json:"fingerprint"` // of the data and tokenizer, to notice a change
	// HeldoutFingerprint is that of the held-out side, empty where an earlier version
	// did not record it.
	HeldoutFingerprint string `json:"heldout_fingerprint,omitempty"`
}

// Losses are a run's losses in nats per token, nil while there is none: JSON has
// no NaN.
type Losses struct {
	Train       *float64 `json:"train,omitempty"`        // of the last step
	Smooth      *float64 `json:"smooth,omitempty"`       // running mean, as the progress bar has it
	Heldout     *float64 `json:"heldout,omitempty"`      // of the last evaluation
	HeldoutStep int64    `json:"heldout_step,omitempty"` // where it was measured
	Best        *float64 `json:"best,omitempty"`         // lowest validation loss, or best score of a task
	BestStep    int64    `json:"best_step,omitempty"`    // where it was measured
	BestBy      string   `json:"best_by,omitempty"`      // the task; empty for the validation loss
}

// ScheduleInfo is the learning-rate schedule, to notice on resume that it has
// changed.
type ScheduleInfo struct {
	Name        string  `json:"name"`
	Steps       int64   `json:"steps"`
	WarmupSteps int64   `json:"warmup_steps"`
	PeakLR      float64 `json:"peak_lr"`
	LR          float64 `json:"lr"` // of the last step
}

// Chosen is what the run chose where its configuration said auto. A resumed run
// uses the same, so that its losses are the same.
type Chosen struct {
	MicroBatch int    `json:"micro_batch"`
	Precision  string `json:"precision"`
	Recompute  string `json:"recompute"`
	Workers    int    `json:"workers"`
	Device     string `json:"device"`
}

// Guard is what a run that watches for spikes compares its next step with.
type Guard struct {
	Losses  []float64 `json:"losses"` // of the window, the oldest first
	Norms   []float64 `json:"norms"`  // of the gradients
	Skipped int64     `json:"skipped"`
	InARow  int       `json:"in_a_row"` // skipped last, one after the other
}

// FileSum is the size and checksum of a file.
type FileSum struct {
	Bytes  int64  `json:"bytes"`
	CRC32C string `json:"crc32c"` // Castagnoli, eight hexadecimal digits
}

// marshal returns state.json. Losses that are not finite cannot be written.
func (s State) marshal() ([]byte, error) {
	s.Version, s.Checksum = stateVersion, unsealed
	if err := s.check(); err != nil {
		return nil, err
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return seal(append(raw, '\n')), nil
}

// unsealed stands for a checksum while it is computed, and sealedBy before it.
const (
	unsealed = "00000000"
	sealedBy = `"checksum": "`
)

// seal puts the CRC-32C of a state.json into it: that of the text with eight zeros in
// its place.
func seal(raw []byte) []byte {
	at := bytes.Index(raw, []byte(sealedBy+unsealed)) + len(sealedBy)
	copy(raw[at:], fmt.Sprintf("%08x", crc32.Checksum(raw, castagnoli)))
	return raw
}

// checkSeal compares a state.json with its checksum; older ones have none.
func checkSeal(raw []byte, sum string) error {
	if sum == "" {
		return nil
	}
	open := bytes.Replace(raw, []byte(sealedBy+sum), []byte(sealedBy+unsealed), 1)
	if got := fmt.Sprintf("%08x", crc32.Checksum(open, castagnoli)); got != sum {
		return fmt.Errorf("the file has CRC-32C %s, expected %s", got, sum)
	}
	return nil
}

// ReadState reads the state.json of a checkpoint and nothing else of it.
func ReadState(path string) (State, error) { return readState(filepath.Join(path, StateFile)) }

// readState reads a state.json strictly: an unknown field would be something
// that resuming must not lose.
func readState(path string) (State, error) {
	raw, err := regular.ReadFile(path)
	if err != nil {
		return State{}, err
	}
	s, err := parseState(raw)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
		if !errors.Is(err, errStateVersion) {
			err = damage(err)
		}
		return State{}, err
	}
	return s, nil
}

// errStateVersion is of a state.json that another version of this program wrote.
var errStateVersion = errors.New("another version of the format")

func parseState(raw []byte) (State, error) {
	// The version first: a newer one may have fields that this program does
	// not know, and that is not what the error should be about.
	var version struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(raw, &version); err != nil {
		return State{}, err
	}
	switch {
	case version.Version == nil:
		return State{}, errors.New("version is missing")
	case *version.Version != stateVersion:
		return State{}, fmt.Errorf("version (%d) is not supported: this program reads version %d: %w", *version.Version, stateVersion, errStateVersion)
	}

	var s State
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return State{}, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return State{}, errors.New("more follows the state's JSON")
	}
	if err := checkSeal(raw, s.Checksum); err != nil {
		return State{}, err
	}
	return s, s.check()
}

func (s State) check() error {
	for _, f := range []struct {
		key   string
		value int64
	}{
		{"step", s.Step},
		{"tokens", s.Tokens},
		{"optimizer_steps", int64(s.OptimizerSteps)},
		{"data.epoch", int64(s.Data.Epoch)},
		{"data.sample", s.Data.Sample},
		{"data.samples", s.Data.Samples},
	} {
		if f.value < 0 {
			return fmt.Errorf("%s (%d) must not be negative", f.key, f.value)
		}
	}
	for name, sum := range s.Files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("files: %q is not within the checkpoint", name)
		}
		if sum.Bytes < 0 {
			return fmt.Errorf("files: %s: bytes (%d) must not be negative", name, sum.Bytes)
		}
	}
	return nil
}
