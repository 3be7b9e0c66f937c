package filelock

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// heldVariable names the lock that a child process takes.
const heldVariable = "FILELOCK_TEST"

// TestHold is what TestAcquire starts: it holds the lock until it is killed.
func TestHold(t *testing.T) {
	path := os.Getenv(heldVariable)
	if path == "" {
		t.Skip("only as the child of another test")
	}
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("locked")
	time.Sleep(time.Hour)
	runtime.KeepAlive(l)
}

// An output in a folder that is not there is named, not the lock.
func TestNoFolder(t *testing.T) {
	output := filepath.Join(t.TempDir(), "none", "out")
	_, err := Hold(Beside(output), output)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), output+":") {
		t.Error(err)
	}
}

// A lock that another process holds is refused with that process's id, and free
// again once it was killed.
func TestAcquire(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	child := exec.Command(os.Args[0], "-test.run=^TestHold$", "-test.v")
	child.Env = append(os.Environ(), heldVariable+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "locked"; {
	}
	var held *HeldError
	if _, err := Acquire(path); !errors.As(err, &held) || held.By != strconv.Itoa(child.Process.Pid) {
		t.Errorf("%v, want held by %d", err, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Release(), l.Release()); err != nil {
		t.Error(err)
	}
}

// A lock that its holder lets go of a moment later, as a killed process does, is
// waited for.
func TestWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	first, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { _ = first.Release() })
	if _, err := Acquire(path); err != nil {
		t.Error(err)
	}
}

// Locks that are removed keep all but one out, too: nobody holds a file that is
// gone while another holds the one in its place.
func TestRemove(t *testing.T) {
	path := Beside(filepath.Join(t.TempDir(), "model.gguf"))
	var group sync.WaitGroup
	var inside, most atomic.Int32
	for range 8 {
		group.Go(func() {
			for range 20 {
				l, err := attempt(path)
				if errors.Is(err, errTaken) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				time.Sleep(time.Millisecond)
				inside.Add(-1)
				if err := l.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d held the lock at once", most.Load())
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
}
