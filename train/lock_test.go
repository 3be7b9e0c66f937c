package train

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// lockedVariable names the folder that a child process locks.
const lockedVariable = "TRAIN_TEST_LOCK"

// TestHoldLock is what TestLock starts: it holds the lock until it is killed.
func TestHoldLock(t *testing.T) {
	dir := os.Getenv(lockedVariable)
	if dir == "" {
		t.Skip("only as the child of another test")
	}
	r := &run{o: Options{Out: dir, Progress: NewProgress(os.Stderr, false)}}
	if err := r.lock(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("locked")
	select {}
}

// A folder into which another process trains is refused, by a new run and a
// resumed one, and free again once that process was killed.
func TestLock(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 4
	out, _ := train(t, c, Options{})
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	before := file(t, out, MetricsFile)
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := os.Mkdir(fresh, 0o777); err != nil {
		t.Fatal(err)
	}
	c.Train.Steps = 6
	for _, o := range []Options{{Out: fresh}, {Out: out, Resume: latest}} {
		child := holdLock(t, o.Out)
		o.PeakFLOPS = 1e11
		_, err := Run(context.Background(), c, o)
		checkError(t, err, o.Out, fmt.Sprintf("process %d trains into it", child.Process.Pid), "\nhint: ")
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		if after := file(t, out, MetricsFile); after != before {
			t.Errorf("the refused run wrote metrics:\n%s", after)
		}
		train(t, c, o)
	}
}

// Two runs that both begin before the folder exists: the second finds the first
// when it makes the folder.
func TestLockOfNewFolder(t *testing.T) {
	c := tiny(t)
	out := filepath.Join(t.TempDir(), "run")
	second := make(chan error, 1)
	o := Options{Out: out, afterStep: func(step int64) {
		if step == 1 {
			r := &run{c: c, o: Options{Out: out, Progress: NewProgress(os.Stderr, false)}}
			second <- r.startFolder(context.Background())
		}
	}}
	train(t, c, o)
	checkError(t, <-second, fmt.Sprintf("process %d trains into it", os.Getpid()))
}

func holdLock(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestHoldLock$", "-test.v")
	child.Env = append(os.Environ(), lockedVariable+"="+dir)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == "locked" {
			return child
		}
	}
	t.Fatal("the child did not lock the folder")
	return nil
}

// A lock that its holder lets go of a moment later, as a killed process does, is
// waited for.
func TestLockIsWaitedFor(t *testing.T) {
	out := t.TempDir()
	first := &run{o: Options{Out: out, Progress: NewProgress(os.Stderr, false)}}
	if err := first.lock(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { first.held.Close() })
	second := &run{o: Options{Out: out, Progress: NewProgress(os.Stderr, false)}}
	if err := second.lock(); err != nil {
		t.Fatal(err)
	}
	if err := second.unlock(); err != nil {
		t.Error(err)
	}
}
