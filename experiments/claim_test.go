package experiments

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	first, err := acquire(dir, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acquire(dir, "a", 0); !errors.Is(err, ErrClaimed) {
		t.Errorf("a second claim: %v", err)
	}
	if other, err := acquire(dir, "b", 0); err != nil {
		t.Errorf("another member: %v, %v", other, err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	again, err := acquire(dir, "a", 0)
	if err != nil || again.path != claimPath(dir, "a", 2) {
		t.Errorf("after its release: %v", err)
	}
}

// Of many that see one dead claim, one gets it.
func TestClaimOfDeadProcess(t *testing.T) {
	dir := t.TempDir()
	dead, err := acquire(dir, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	dead.info.PID, dead.info.Started = 1<<22+1, "1" // above the largest that Linux gives
	if err := dead.write(); err != nil {
		t.Fatal(err)
	}
	over := 0
	if self().Boot == "" { // the system does not tell
		over = 1
	}
	var won atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if _, err := acquire(dir, "a", over); err == nil {
				won.Add(1)
			} else if !errors.Is(err, ErrClaimed) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d processes have the member", won.Load())
	}
}

// A claim of another machine counts as dead once it has sent no heartbeat for a
// minute, by the clock of who looks; one cut short does too.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	c, err := acquire(dir, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	c.info.Boot = "another machine's"
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	w := newWatch()
	w.now = func() time.Time { return now }
	look := func(want bool, wantOver int) {
		t.Helper()
		over, ok, err := w.look(dir, "a")
		if err != nil || ok != want || ok && over != wantOver {
			t.Errorf("free %v over %d, %v; want %v over %d", ok, over, err, want, wantOver)
		}
	}
	look(false, 0)
	now = now.Add(claimStale - time.Second)
	look(false, 0)
	c.info.Beat++
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	look(false, 0) // it lives
	now = now.Add(claimStale)
	look(true, 1)
	next, err := acquire(dir, "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acquire(dir, "a", 1); !errors.Is(err, ErrClaimed) {
		t.Errorf("taken over twice: %v", err)
	}
	if err := os.Truncate(next.path, 0); err != nil { // as if its process died while writing
		t.Fatal(err)
	}
	look(false, 0)
	now = now.Add(claimStale)
	look(true, 2)
}

// A holder that comes back after its claim was taken over is told.
func TestLostClaim(t *testing.T) {
	dir := t.TempDir()
	c, err := acquire(dir, "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	if c.lost() {
		t.Error("lost at once")
	}
	if _, err := acquire(dir, "a", 1); err != nil {
		t.Fatal(err)
	}
	if !c.lost() {
		t.Errorf("%s does not see its successor", filepath.Base(c.path))
	}
}
