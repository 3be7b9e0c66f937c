package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockFile is held by the process that trains into a folder. The system lets go
// of it with the process, however that ends; the file stays, since removing it
// could take it from under a process that is about to hold it.
const lockFile = ".lock"

// errHeld is tryLock's error for a lock that another process holds.
var errHeld = errors.New("held")

// lock keeps other processes from training into the run's folder, which exists.
func (r *run) lock() error {
	if r.held != nil {
		return nil
	}
	path := filepath.Join(r.o.Out, lockFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	// A process that was killed a moment ago holds it until its last thread has ended.
	for range 20 {
		if err = tryLock(file); !errors.Is(err, errHeld) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if errors.Is(err, errHeld) {
		return errors.Join(r.heldBy(path), file.Close())
	}
	r.held = file
	if errors.Is(err, errors.ErrUnsupported) {
		r.o.Progress.Note("%s is on a file system without locks: two runs in one folder would not notice each other", r.o.Out)
		return nil
	}
	if err != nil {
		return fmt.Errorf("run folder: lock %s: %w", path, err)
	}
	if err = file.Truncate(0); err == nil {
		_, err = fmt.Fprintln(file, os.Getpid())
	}
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// heldBy names the process that holds the lock.
func (r *run) heldBy(path string) error {
	who := "another process"
	if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
		who = "process " + strings.TrimSpace(string(text))
	}
	return fmt.Errorf("run folder %s: %s trains into it\nhint: wait for it, or name another folder with --out", r.o.Out, who)
}

// unlock lets other processes have the folder.
func (r *run) unlock() error {
	if r.held == nil {
		return nil
	}
	return r.held.Close()
}

// occupied says whether a folder holds anything but a lock.
func occupied(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != lockFile {
			return true, nil
		}
	}
	return false, err
}
