package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mobilellm/checkpoint"
	"mobilellm/eval/training"
	"mobilellm/internal/atomicfile"
	"mobilellm/report"
	"mobilellm/train"
)

const (
	failuresDir = "failures"
	logsDir     = "logs"
)

// MemberOptions are what a member's run needs beside its configuration.
type MemberOptions struct {
	Dir      string  // of the sweep
	Over     int     // a claim that was seen stale, or 0
	Workers  int     // threads; 0 is as many as there are processors
	Peak     float64 // of the device, FLOP/s; 0 measures it
	Versions map[string]string
	Progress *train.Progress
}

// Train trains a member of the sweep in this process, from its latest checkpoint
// where it has one. Where another process has the member, the error wraps
// [ErrClaimed]; where what it needs is not trained yet, [ErrNotReady]. A failure is recorded.
func (s *Sweep) Train(ctx context.Context, id string, o MemberOptions) error {
	m := s.Member(id)
	if m == nil {
		return fmt.Errorf("sweep %s has no run %s", s.Name, id)
	}
	if finished(o.Dir, id) {
		return nil
	}
	if err := s.ready(o.Dir, m); err != nil {
		return err
	}
	claim, err := acquire(o.Dir, id, o.Over)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var holding sync.WaitGroup
	holding.Go(func() { claim.hold(ctx, func() { cancel(ErrLost) }) })
	defer func() {
		cancel(nil)
		holding.Wait()
	}()
	err = s.train(ctx, m, o)
	if errors.Is(context.Cause(ctx), ErrLost) {
		return errors.Join(ErrLost, err) // nothing here is this process's any more
	}
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, recordFailure(o.Dir, id, err))
	}
	return errors.Join(err, claim.release())
}

// train runs a claimed member.
func (s *Sweep) train(ctx context.Context, m *Member, o MemberOptions) error {
	if finished(o.Dir, m.ID) {
		return nil // by another process, before this one had the claim
	}
	if err := os.Remove(failurePath(o.Dir, m.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	config, err := m.run()
	if err != nil {
		return err
	}
	if config, err = prepared(ctx, o.Dir, config, o.Progress.Stage); err != nil {
		return err
	}
	if err := s.findTeacher(o.Dir, m, &config); err != nil {
		return err
	}
	out := filepath.Join(o.Dir, m.ID)
	resume, err := latest(out)
	if err != nil {
		return err
	}
	from := ""
	if m.Init != "" && resume == "" {
		if from, err = result(o.Dir, m.Init); err != nil {
			return err
		}
	}
	_, err = train.Run(ctx, config, train.Options{
		Out: out, LeaveOut: []string{o.Dir}, Init: from, Resume: resume, Newest: resume != "", Workers: o.Workers, PeakFLOPS: o.Peak, Versions: o.Versions, Progress: o.Progress, Tasks: training.Open, Sampler: training.Sample, Sink: report.Sink,
	})
	return err
}

// latest is the checkpoint to go on from, empty where there is none: then what a
// run that broke off before its first one left is removed.
func latest(out string) (string, error) {
	dir := filepath.Join(out, train.CheckpointsDir)
	entry, err := checkpoint.Latest(dir)
	if errors.Is(err, checkpoint.ErrNone) {
		return "", os.RemoveAll(out)
	}
	return entry.Path, err
}

// finished says whether a member has its result.
func finished(dir, id string) bool {
	_, err := os.Stat(filepath.Join(dir, id, train.SummaryFile))
	return err == nil
}

// Failure is why a member failed: failures/ID.json.
type Failure struct {
	Error string    `json:"error"`
	Host  string    `json:"host"`
	Time  time.Time `json:"time"`
}

func failurePath(dir, id string) string { return filepath.Join(dir, failuresDir, id+".json") }

func recordFailure(dir, id string, why error) error {
	if err := os.MkdirAll(filepath.Join(dir, failuresDir), 0o777); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(Failure{why.Error(), self().Host, time.Now().UTC().Truncate(time.Second)}, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(failurePath(dir, id), append(raw, '\n'))
}

// failure reads a member's record, nil where there is none.
func failure(dir, id string) (*Failure, error) {
	raw, err := os.ReadFile(failurePath(dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := new(Failure)
	if err := json.Unmarshal(raw, f); err != nil {
		return nil, fmt.Errorf("%s: %w", failurePath(dir, id), err)
	}
	return f, nil
}

// TrainOverDead is Train for a member that another process has: it waits until the
// claim either changes, which leaves ErrClaimed, or has sent no heartbeat for
// long enough to be taken over.
func (s *Sweep) TrainOverDead(ctx context.Context, id string, o MemberOptions) error {
	watch := newWatch()
	first, info, err := newestClaim(o.Dir, id)
	if err != nil {
		return err
	}
	o.Progress.Note("%s is claimed by %s: waiting %s for its heartbeat", id, info.process, claimStale)
	for {
		over, ok, err := watch.look(o.Dir, id)
		if err != nil {
			return err
		}
		number, now, err := newestClaim(o.Dir, id)
		switch {
		case err != nil:
			return err
		case ok:
			o.Over = over
			return s.Train(ctx, id, o)
		case number != first || now != info:
			return fmt.Errorf("%s: %w: %s", id, ErrClaimed, now.process)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", id, ctx.Err())
		case <-time.After(time.Second):
		}
	}
}
