package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A checkpoint that is asked for is made after the step, once.
func TestSaveNow(t *testing.T) {
	c := tiny(t)
	asked := make(chan os.Signal, 1)
	var text lockedBuffer
	out, _ := train(t, c, Options{SaveNow: asked, Progress: NewProgress(&text, false), afterStep: func(step int64) {
		if step == 5 || step == 12 {
			asked <- syscall.SIGTERM
		}
	}})
	if got, want := checkpointNames(t, out), "step-00000004 step-00000005 step-00000008 step-00000012"; got != want {
		t.Errorf("checkpoints are %s, want %s", got, want)
	}
	if got := text.String(); !strings.Contains(got, "step 5: saving, as asked\n") {
		t.Errorf("it says\n%s", got)
	}
}

// A run ends within train.max_hours, with time for its save, and goes on from there.
func TestMaxHours(t *testing.T) {
	c := tiny(t)
	whole, _ := train(t, c, Options{})
	c.Train.MaxHours = 1
	out := filepath.Join(t.TempDir(), "run")
	clock := time.Now()
	now = func() time.Time { return clock }
	defer func() { now = time.Now }()
	_, err := Run(context.Background(), c, Options{Out: out, PeakFLOPS: 1e11, Workers: 2, afterStep: func(int64) { clock = clock.Add(10 * time.Minute) }})
	checkError(t, err, "interrupted by train.max_hours after step 5: saved as ") // a sixth leaves no time to save
	if !errors.Is(err, ErrTimeLimit) || !errors.Is(err, ErrInterrupted) {
		t.Errorf("the error is %v", err)
	}
	latest, err := LatestCheckpoint(out)
	if err != nil || latest == "" {
		t.Fatalf("the latest checkpoint is %q: %v", latest, err)
	}
	c.Train.MaxHours = 0
	train(t, c, Options{Out: out, Resume: latest})
	compareRuns(t, out, whole)
}

// A run whose folder has moved goes on as the unbroken one.
func TestMovedRun(t *testing.T) {
	c := tiny(t)
	whole, _ := train(t, c, Options{})
	c.Train.Steps = 6
	out, _ := train(t, c, Options{})
	c.Train.Steps = 12
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(out, moved); err != nil {
		t.Fatal(err)
	}
	latest, err := LatestCheckpoint(moved)
	if err != nil {
		t.Fatal(err)
	}
	config, err := ConfigOf(latest)
	if err != nil {
		t.Fatal(err)
	}
	if config.Data.Train[0] != c.Data.Train[0] {
		t.Errorf("it trains on %v", config.Data.Train)
	}
	before := steps(t, moved)
	train(t, c, Options{Out: moved, Resume: latest})
	after := steps(t, moved)
	if len(after) != 12 || after[5].Loss != before[5].Loss || after[0].Loss != steps(t, whole)[0].Loss {
		t.Errorf("it made %d steps", len(after))
	}
	if a, errA := os.Readlink(filepath.Join(moved, CheckpointsDir, "best")); errA != nil {
		t.Errorf("the best is %q: %v", a, errA)
	}
}

// Another number of workers than the run began with is said.
func TestOtherWorkers(t *testing.T) {
	c := tiny(t)
	out, _ := train(t, c, Options{})
	var text lockedBuffer
	c.Train.Steps = 13
	if _, err := Run(context.Background(), c, Options{
		Out: out, PeakFLOPS: 1e11, Workers: 1, Resume: filepath.Join(out, CheckpointsDir, "step-00000012"), Progress: NewProgress(&text, false),
	}); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.Contains(got, "the run began on cpu, 2 workers") || !strings.Contains(got, "goes on on cpu, 1 workers") {
		t.Errorf("it says\n%s", got)
	}
}
