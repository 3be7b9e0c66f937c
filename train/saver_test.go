package train

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mobilellm/checkpoint"
	"mobilellm/internal/slowed"
)

// checkpointNames are the checkpoints of a run.
func checkpointNames(t *testing.T, out string) string {
	t.Helper()
	list, err := checkpoint.List(filepath.Join(out, CheckpointsDir))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range list {
		names = append(names, entry.Name)
	}
	return strings.Join(names, " ")
}

// A checkpoint is of the step that it is named for, however long writing it takes and
// whatever the run does meanwhile. One that falls due then is put off.
func TestSlowSaves(t *testing.T) {
	c := tiny(t)
	c.Checkpoint.Every = 2
	whole, _ := train(t, c, Options{})
	if got, want := checkpointNames(t, whole), "step-00000002 step-00000004 step-00000006 step-00000008 step-00000010 step-00000012"; got != want {
		t.Errorf("checkpoints are %s, want %s", got, want)
	}
	always, held := waitAlways, make(chan struct{})
	waitAlways, slowed.Hold = 0, func() { <-held }
	defer func() { waitAlways, slowed.Hold = always, nil }()
	var text lockedBuffer
	slowOut, _ := train(t, c, Options{Progress: NewProgress(&text, false), afterStep: func(step int64) {
		if step == 7 { // so long the save of step 2 is held up
			close(held)
		}
	}})
	if got := checkpointNames(t, slowOut); !strings.HasPrefix(got, "step-00000002 ") || !strings.HasSuffix(got, " step-00000012") || strings.Contains(got, "step-00000004") || strings.Contains(got, "step-00000006") {
		t.Errorf("checkpoints are %s", got)
	}
	if want := "step 4: the checkpoint of step 2 is still being written; the next is saved once it is\n"; !strings.Contains(text.String(), want) {
		t.Errorf("%q is not in\n%s", want, text.String())
	}
	for _, entry := range strings.Fields(checkpointNames(t, slowOut)) {
		other := filepath.Join(whole, CheckpointsDir, entry)
		if _, err := os.Stat(other); err != nil {
			continue // of an odd step
		}
		for _, name := range []string{"model.safetensors", "optimizer.safetensors"} {
			if file(t, slowOut, CheckpointsDir, entry, name) != file(t, other, name) {
				t.Errorf("%s of %s differs", name, entry)
			}
		}
	}
	a, errA := os.Readlink(filepath.Join(slowOut, CheckpointsDir, "best"))
	if _, err := os.Stat(filepath.Join(slowOut, CheckpointsDir, a)); errors.Join(err, errA) != nil {
		t.Errorf("the best is %q: %v, %v", a, errA, err)
	}
}

// lockedBuffer may be read while a run writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// breakDisk makes a run's checkpoints impossible to write, once that of step 4 is there and
// marked, until it is mended.
func breakDisk(t *testing.T, out string) (mend func()) {
	t.Helper()
	dir, aside := filepath.Join(out, CheckpointsDir), filepath.Join(out, "aside")
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(time.Millisecond) {
		if best, err := os.Readlink(filepath.Join(dir, "best")); err == nil && best == "step-00000004" {
			break
		}
	}
	if err := errors.Join(os.Rename(dir, aside), os.WriteFile(dir, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(os.Remove(dir), os.Rename(aside, dir)); err != nil {
			t.Error(err)
		}
	}
}

// mender mends the disk when it reads that a save is tried again.
type mender struct {
	bytes.Buffer
	mend func()
}

func (m *mender) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("it is tried again")) {
		m.mend()
	}
	return m.Buffer.Write(p)
}

// A save that fails is tried again while the run goes on; what comes out is what would
// have without.
func TestSaveIsTriedAgain(t *testing.T) {
	c := tiny(t)
	c.Checkpoint.RetryMinutes = 5
	whole, _ := train(t, c, Options{})
	out := filepath.Join(t.TempDir(), "run")
	text := &mender{}
	train(t, c, Options{Out: out, Progress: NewProgress(text, false), afterStep: func(step int64) {
		if step == 7 {
			text.mend = breakDisk(t, out)
		}
	}})
	compareRuns(t, out, whole)
	for _, want := range []string{"saving checkpoint step-00000008: ", "it is tried again for 5m0s\n", "step 8: saved "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

// One that goes on failing ends the run, with the last good checkpoint as it was.
func TestSaveGivesUp(t *testing.T) {
	c := tiny(t)
	c.Checkpoint.RetryMinutes = 0.02
	out := filepath.Join(t.TempDir(), "run")
	var mend func()
	_, err := Run(context.Background(), c, Options{Out: out, PeakFLOPS: 1e11, Workers: 2, afterStep: func(step int64) {
		if step == 7 {
			mend = breakDisk(t, out)
		}
	}})
	mend()
	checkError(t, err, "saving checkpoint step-00000008: ", "\nhint: it was tried ", "step-00000004 is whole: once there is room, go on from it with --resume")
	var failed *SaveError
	if !errors.As(err, &failed) || failed.Tries < 2 || !errors.Is(err, syscall.EEXIST) {
		t.Errorf("the error is %#v", err)
	}
	if got := checkpointNames(t, out); got != "step-00000004" {
		t.Errorf("checkpoints are %s", got)
	}
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := train(t, c, Options{})
	train(t, c, Options{Out: out, Resume: latest})
	compareRuns(t, out, whole)
}

// A run that is told to stop does not wait for a disk that is full.
func TestInterruptedWhileSaving(t *testing.T) {
	c := tiny(t)
	c.Checkpoint.RetryMinutes = 10
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := filepath.Join(t.TempDir(), "run")
	begun := time.Now()
	var mend func()
	_, err := Run(ctx, c, Options{Out: out, PeakFLOPS: 1e11, Workers: 2, afterStep: func(step int64) {
		switch step {
		case 7:
			mend = breakDisk(t, out)
		case 10:
			cancel()
		}
	}})
	mend()
	checkError(t, err, "saving checkpoint step-00000010: ", "step-00000004 is whole")
	if took := time.Since(begun); took > 5*time.Minute {
		t.Errorf("it took %v", took)
	}
}

// fullFile has room for so many bytes.
type fullFile struct {
	bytes.Buffer
	room int
}

func (f *fullFile) Write(p []byte) (int, error) {
	n := min(len(p), f.room-f.Len())
	f.Buffer.Write(p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *fullFile) Sync() error  { return nil }
func (f *fullFile) Close() error { return nil }

// Records that find no room are written once there is some, whole and in their order.
func TestMetricsAreTriedAgain(t *testing.T) {
	f := &fullFile{room: 20}
	m := &metrics{file: f, retry: time.Hour}
	for step := range 4 {
		if err := m.write(map[string]int{"step": step}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.String(); got != "{\"step\":0}\n{\"step\":1" {
		t.Errorf("a full disk holds %q", got)
	}
	f.room = 1 << 20
	if err := m.write(map[string]int{"step": 4}); err != nil {
		t.Fatal(err)
	}
	if got, want := f.String(), "{\"step\":0}\n{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n"; got != want {
		t.Errorf("then it holds %q, want %q", got, want)
	}
	f.room, m.retry = f.Len(), 0
	err := m.write(map[string]int{"step": 5})
	var unwritten metricsError
	if !errors.As(err, &unwritten) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("without a time to try again the error is %v", err)
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
}
