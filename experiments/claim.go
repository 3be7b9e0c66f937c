package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	claimsDir = "claims"
	// claimBeat is the time between two signs of life of who holds a claim.
	claimBeat = 10 * time.Second
	// claimStale is how long a claim must stay as it is before it counts as that of a
	// dead process, by the clock of who looks: clocks of machines differ.
	claimStale = 60 * time.Second
	// claimBytes is the size of a claim's file. It never grows, so a heartbeat
	// needs no space on a full disk.
	claimBytes = 512
)

var (
	// ErrClaimed is what a member's run fails with where another process has it.
	ErrClaimed = errors.New("claimed by another process")
	// ErrLost ends the run of a process whose claim was taken over while it did not
	// show signs of life, such as on a machine that slept.
	ErrLost = errors.New("the claim was taken over by another process")
)

// Claim is a process's right to run a member. Claims of a member are files
// claims/ID.0001, .0002 and so on, of which the newest counts. A file is made by
// O_EXCL, which one process succeeds in, and is never removed nor written by
// another: a free member and one whose holder is dead are taken the same way, by
// making the next file.
type Claim struct {
	path string
	next string // the claim that would take it over

	mu   sync.Mutex
	info claimInfo
}

// claimInfo is the content of a claim's file.
type claimInfo struct {
	process
	Beat     int64 `json:"beat"` // signs of life so far
	Released bool  `json:"released"`
}

// acquire claims a member, or whatever id names, for this process. over is the
// number of a claim that the caller has seen stale, see watch, or 0. Its error
// wraps ErrClaimed.
func acquire(dir, id string, over int) (*Claim, error) {
	newest, info, err := newestClaim(dir, id)
	if err != nil {
		return nil, err
	}
	if newest > 0 && newest != over && !info.free() {
		return nil, fmt.Errorf("%s: %w: %s", id, ErrClaimed, info.process)
	}
	if err := os.MkdirAll(filepath.Join(dir, claimsDir), 0o777); err != nil {
		return nil, fmt.Errorf("claiming %s: %w", id, err)
	}
	c := &Claim{path: claimPath(dir, id, newest+1), next: claimPath(dir, id, newest+2), info: claimInfo{process: self()}}
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w", id, ErrClaimed)
	}
	if err != nil {
		return nil, fmt.Errorf("claiming %s: %w", id, err)
	}
	if err := errors.Join(f.Close(), c.write()); err != nil {
		return nil, fmt.Errorf("claiming %s: %w", id, err)
	}
	return c, nil
}

// hold shows signs of life until the context ends. It calls lost where the claim
// was taken over.
func (c *Claim) hold(ctx context.Context, lost func()) {
	tick := time.NewTicker(claimBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.lost() {
			lost()
			return
		}
		c.mu.Lock()
		c.info.Beat++
		c.mu.Unlock()
		_ = c.write() // a disk that fails now and then must not end a run; one that fails for good loses the claim
	}
}

// lost says whether another process has taken the claim over.
func (c *Claim) lost() bool {
	_, err := os.Lstat(c.next)
	return err == nil
}

// release gives the claim back.
func (c *Claim) release() error {
	c.mu.Lock()
	c.info.Released = true
	c.mu.Unlock()
	return c.write()
}

func (c *Claim) write() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := json.Marshal(c.info)
	if err != nil {
		return err
	}
	if len(raw) > claimBytes {
		return fmt.Errorf("%s: %d bytes, at most %d", c.path, len(raw), claimBytes)
	}
	raw = append(raw, bytes.Repeat([]byte("\n"), claimBytes-len(raw))...)
	f, err := os.OpenFile(c.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(raw, 0)
	return errors.Join(err, f.Close())
}

func claimPath(dir, id string, n int) string {
	return filepath.Join(dir, claimsDir, fmt.Sprintf("%s.%04d", id, n))
}

// newestClaim is the number of a member's newest claim, 0 for none, and what it
// says. One that is being written says nothing yet.
func newestClaim(dir, id string) (int, claimInfo, error) {
	var info claimInfo
	entries, err := os.ReadDir(filepath.Join(dir, claimsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, info, fmt.Errorf("claims: %w", err)
	}
	newest := 0
	for _, entry := range entries {
		if digits, ok := strings.CutPrefix(entry.Name(), id+"."); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				newest = max(newest, n)
			}
		}
	}
	if newest == 0 {
		return 0, info, nil
	}
	raw, err := os.ReadFile(claimPath(dir, id, newest))
	if err != nil {
		return 0, info, fmt.Errorf("claims: %w", err)
	}
	if json.Unmarshal(raw, &info) != nil {
		info = claimInfo{}
	}
	return newest, info, nil
}

// free says whether the claim's holder is known to be gone.
func (i claimInfo) free() bool { return i.Released || i.dead() }

// watch remembers how claims looked, to notice those that show no signs of life.
type watch struct {
	seen map[string]sight
	now  func() time.Time
}

type sight struct {
	number int
	info   claimInfo
	since  time.Time
}

func newWatch() *watch { return &watch{seen: map[string]sight{}, now: time.Now} }

// look says whether id may be claimed, and over what claim.
func (w *watch) look(dir, id string) (over int, ok bool, err error) {
	number, info, err := newestClaim(dir, id)
	if err != nil || number == 0 || info.free() {
		return 0, err == nil, err
	}
	before, known := w.seen[id]
	if !known || before.number != number || before.info != info {
		w.seen[id] = sight{number, info, w.now()}
		return 0, false, nil
	}
	return number, w.now().Sub(before.since) >= claimStale, nil
}
