// Package filelock keeps two processes from writing the same output.
//
// A lock is a file that a process holds by flock(2) and in which its id stands. The
// system lets go of it with the process, however that ends.
//
//	lock, err := filelock.Acquire("runs/mine/.lock")
//	defer lock.Release() // or Remove, which takes the file as well
package filelock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Name is the lock's name in a folder that one process at a time writes.
const Name = ".lock"

// Beside is the path of the lock of an output that is itself a file or folder which
// must not exist before.
func Beside(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+Name)
}

// ErrUnsupported is of a file system without locks: two processes would not notice
// each other.
var ErrUnsupported = errors.ErrUnsupported

// HeldError is the error for a lock that another process holds.
type HeldError struct {
	Path string
	By   string // the holder's process id, empty where it is not known
}

func (e *HeldError) Error() string { return fmt.Sprintf("%s is held by %s", e.Path, e.Holder()) }

// Holder names who holds the lock.
func (e *HeldError) Holder() string {
	if e.By == "" {
		return "another process"
	}
	return "process " + e.By
}

// Hold is [Acquire] for an output that one process at a time makes; the error says so
// and who it is. Where the file system has no locks it goes on without one.
func Hold(path, output string) (*Lock, error) {
	l, err := Acquire(path)
	var held *HeldError
	var at *fs.PathError
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("%s: %s writes it\nhint: wait for it, or name another output", output, held.Holder())
	case errors.As(err, &at) && errors.Is(err, fs.ErrNotExist):
		at.Path = output // whose folder it is
		return nil, err
	case err != nil && !errors.Is(err, ErrUnsupported):
		return nil, err
	}
	return l, nil
}

// Lock is a lock that is held. A nil one is held by nobody.
type Lock struct{ file *os.File }

// errTaken is tryLock's error for a lock that another process holds.
var errTaken = errors.New("taken")

// patience is how long a lock is waited for: a process that was killed a moment ago
// holds it until its last thread has ended.
const patience, pause = time.Second, 50 * time.Millisecond

// Acquire takes the lock, whose folder exists. The error is a [*HeldError] where
// another process holds it. Where the file system has no locks the error is
// [ErrUnsupported], and the lock is returned all the same.
func Acquire(path string) (*Lock, error) {
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		l, err := attempt(path)
		if !errors.Is(err, errTaken) {
			return l, err
		}
		if time.Now().After(end) {
			by, _ := os.ReadFile(path) // without it the holder has no name
			return nil, &HeldError{path, strings.TrimSpace(string(by))}
		}
	}
}

func attempt(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	err = tryLock(file)
	if err == nil && !lies(file, path) {
		err = errTaken // its holder removed it in between
	}
	if err == nil {
		if err = file.Truncate(0); err == nil {
			_, err = fmt.Fprintln(file, os.Getpid())
		}
	}
	if errors.Is(err, ErrUnsupported) {
		return &Lock{file}, err
	}
	if err != nil {
		file.Close()
		if !errors.Is(err, errTaken) {
			err = fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, err
	}
	return &Lock{file}, nil
}

// lies says whether an open file is the one at path.
func lies(file *os.File, path string) bool {
	have, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(have, there)
}

// Release lets other processes have the lock. The file stays.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	err := l.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// Remove lets go of the lock and takes its file with it.
func (l *Lock) Remove() error {
	if l == nil {
		return nil
	}
	err := os.Remove(l.file.Name()) // before the lock is free, or it were another's
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.Release())
}
