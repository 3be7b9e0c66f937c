// Package atomicfile writes files that are there whole or not at all, also after a
// crash and where several processes write them.
//
// A file is written under a temporary name of its own beside its final one, synced,
// renamed, and then the folder's entry is synced.
//
//	f, err := atomicfile.Create("model.gguf")
//	defer f.Abort() // of no effect after Commit
//	...
//	err = f.Commit()
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mark stands in every temporary name, behind a dot and the final name.
const mark = ".tmp-"

// File is a file that is being written.
type File struct {
	*os.File
	path string
	kept bool // what is written stays where there is no Commit
	done bool
}

// Create begins the file that is to be at path. Only [File.Commit] puts it there.
func Create(path string) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+mark+"*")
	var at *fs.PathError
	if errors.As(err, &at) {
		at.Path = path
	}
	if err != nil {
		return nil, err
	}
	return &File{File: f, path: path}, nil
}

// Adopt takes over a file that was written under a name of its own, in the folder of
// path. It stays there until Commit, to go on with.
func Adopt(f *os.File, path string) *File { return &File{File: f, path: path, kept: true} }

// Commit syncs the file and gives it its name. After an error there is no file of
// either name that was not there before.
func (f *File) Commit() error {
	err := errors.Join(f.Chmod(0o644), f.Sync())
	if err != nil {
		f.Abort()
		return err
	}
	f.done = true
	if err := f.Close(); err != nil {
		return errors.Join(err, f.remove())
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return errors.Join(err, f.remove())
	}
	return SyncFolder(filepath.Dir(f.path))
}

// Abort removes what was written. After Commit it does nothing.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.Close()
	_ = f.remove() // a leftover is swept later
}

func (f *File) remove() error {
	if f.kept {
		return nil
	}
	return os.Remove(f.Name())
}

// CreateFolder begins a folder that is to be at path under a temporary name of its own,
// which it returns. [CommitFolder] puts it there.
func CreateFolder(path string) (string, error) {
	tmp, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+mark+"*")
	if err == nil {
		err = os.Chmod(tmp, 0o755)
	}
	return tmp, err
}

// CommitFolder gives a folder of [CreateFolder] its name, whose files are synced. A
// folder at path is an error, but one that is empty.
func CommitFolder(tmp, path string) error {
	if err := errors.Join(SyncFolder(tmp), os.Rename(tmp, path)); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Write writes a whole file.
func Write(path string, raw []byte) error {
	return WriteFunc(path, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// WriteFunc writes a file that fill makes.
func WriteFunc(path string, fill func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Abort()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Commit()
}

// SyncFolder makes renames and removals in a folder last.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Temporary says whether a name in a folder is that of something being written, or
// left by a process that was killed.
func Temporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.Contains(name, mark)
}

// Sweep removes what killed processes left of files and folders in a folder. The
// caller makes sure that nobody writes there.
func Sweep(dir string) error { return sweep(dir, Temporary) }

// SweepPath is [Sweep] of what is left of one file or folder.
func SweepPath(path string) error {
	return sweep(filepath.Dir(path), func(name string) bool { return strings.HasPrefix(name, "."+filepath.Base(path)+mark) })
}

func sweep(dir string, left func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if left(entry.Name()) && (entry.Type().IsRegular() || entry.IsDir()) {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return fmt.Errorf("a leftover: %w", err)
			}
		}
	}
	return nil
}
