package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/internal/filelock"
)

// claim makes the run's folder where there is none and keeps other processes from
// training into it. It is done before any work, so that a folder that cannot be
// written is found at once.
func (r *run) claim() error {
	err := r.makeFolder()
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	r.held, err = filelock.Acquire(filepath.Join(r.o.Out, filelock.Name))
	var held *filelock.HeldError
	switch {
	case errors.As(err, &held):
		return fmt.Errorf("run folder %s: %s trains into it\nhint: wait for it, or name another folder with --out", r.o.Out, held.Holder())
	case errors.Is(err, filelock.ErrUnsupported):
		r.o.Progress.Note("%s is on a file system without locks: two runs in one folder would not notice each other", r.o.Out)
	case err != nil:
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// makeFolder makes the run's folder. Of numbered ones it takes the first that is free,
// which another run that begins now cannot have as well.
func (r *run) makeFolder() (err error) {
	if !r.o.Numbered {
		r.made, err = makeFolders(r.o.Out)
		return err
	}
	if r.made, err = makeFolders(filepath.Dir(r.o.Out)); err != nil {
		return err
	}
	for n := 1; ; n++ {
		dir := fmt.Sprintf("%s-%d", r.o.Out, n)
		err := os.Mkdir(dir, 0o777)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		r.o.Out, r.made = dir, append([]string{dir}, r.made...)
		return err
	}
}

// makeFolders makes a folder and those above it that are missing, and returns what it
// made, the innermost first.
func makeFolders(dir string) (made []string, err error) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			break // that it is no folder, or cannot be looked at, MkdirAll tells
		}
		made = append(made, at)
	}
	return made, os.MkdirAll(dir, 0o777)
}

// unclaim lets other processes have the folder. Of a run that has not started it takes
// back what claim made.
func (r *run) unclaim() error {
	if r.held == nil {
		return nil
	}
	if full, err := occupied(r.o.Out); full || err != nil || r.started {
		return errors.Join(err, r.held.Release())
	}
	err := r.held.Remove()
	for _, dir := range r.made {
		if os.Remove(dir) != nil {
			break // something of another process is in it
		}
	}
	return err
}

// occupied says whether a folder holds anything but a lock.
func occupied(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != filelock.Name {
			return true, nil
		}
	}
	return false, err
}
