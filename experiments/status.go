package experiments

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mobilellm/internal/jsonfloat"
	"mobilellm/train"
)

// State is how a member stands.
type State string

const (
	Waiting     State = "waiting" // not begun
	Running     State = "running"
	Interrupted State = "interrupted" // begun, and nobody is at it
	Failed      State = "failed"
	Finished    State = "finished"
)

// Status is how a member stands, from the sweep's folder alone.
type Status struct {
	Member
	State           State           `json:"state"`
	Step            int64           `json:"step"`
	Loss            jsonfloat.Float `json:"loss,omitempty"`
	TokensPerSecond float64         `json:"tokens_per_second,omitempty"`
	Left            time.Duration   `json:"left,omitempty"` // of a running member
	Holder          string          `json:"holder,omitempty"`
	Error           string          `json:"error,omitempty"`
	Result          *train.Summary  `json:"result,omitempty"`
}

// Status lists how the members of the sweep in dir stand.
func (s *Sweep) Status(dir string) ([]Status, error) {
	list := make([]Status, len(s.Members))
	for i, m := range s.Members {
		var err error
		if list[i], err = memberStatus(dir, m); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func memberStatus(dir string, m Member) (Status, error) {
	st := Status{Member: m, State: Waiting}
	result, err := train.ReadSummary(filepath.Join(dir, m.ID))
	if err == nil {
		st.State, st.Result, st.Step, st.Loss, st.TokensPerSecond = Finished, result, result.Step, result.Heldout.HeldoutLoss, result.TokensPerSecond
		return st, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return st, err
	}
	last, begun, err := lastStep(filepath.Join(dir, m.ID, train.MetricsFile))
	if err != nil {
		return st, err
	}
	st.Step, st.Loss, st.TokensPerSecond = last.Step, jsonfloat.Float(last.Loss), last.TokensPerSecond
	number, claim, err := newestClaim(dir, m.ID)
	if err != nil {
		return st, err
	}
	why, err := failure(dir, m.ID)
	if err != nil {
		return st, err
	}
	switch {
	case number > 0 && !claim.free():
		st.State, st.Holder = Running, claim.String()
		if last.Step > 0 && last.TokensPerSecond > 0 {
			perStep := float64(last.Tokens) / float64(last.Step) / last.TokensPerSecond
			st.Left = time.Duration(perStep * float64(m.Steps-last.Step) * float64(time.Second))
		}
	case why != nil:
		st.State, st.Error = Failed, why.Error
	case begun:
		st.State = Interrupted
	}
	return st, nil
}

// lastStep is the last whole line of a step in a run's metrics.
func lastStep(path string) (step train.StepRecord, found bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return step, false, nil
	}
	if err != nil {
		return step, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return step, false, err
	}
	const tail = 4096 // some ten lines
	from := max(0, info.Size()-tail)
	raw, err := io.ReadAll(io.NewSectionReader(f, from, tail))
	if err != nil {
		return step, false, err
	}
	lines := bytes.Split(raw, []byte("\n"))
	for i := len(lines) - 2; i >= 0; i-- { // what follows the last line end is not whole
		var s train.StepRecord
		if json.Unmarshal(lines[i], &s) == nil && s.Tokens > 0 {
			return s, true, nil
		}
	}
	return step, true, nil
}
