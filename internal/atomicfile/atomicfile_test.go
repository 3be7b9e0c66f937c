package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	for _, text := range []string{"first", "the second, longer"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	failed := errors.New("no more numbers")
	err := WriteFunc(path, func(w io.Writer) error {
		fmt.Fprint(w, "half")
		return failed
	})
	if got, _ := os.ReadFile(path); !errors.Is(err, failed) || string(got) != "the second, longer" {
		t.Errorf("a failure leaves %q, %v", got, err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"a.json"}) {
		t.Errorf("the folder holds %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := Write(filepath.Join(dir, "missing", "b"), nil); err == nil {
		t.Error("a file in a folder that is not there")
	}
}

// A file in a folder that is not there is named, not the temporary one.
func TestNoFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "out")
	if _, err := Create(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path+":") {
		t.Error(err)
	}
}

// Many writers of one file never mix.
func TestConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shared")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 20 {
				if err := Write(path, bytes.Repeat([]byte{byte('a' + i)}, 10_000)); err != nil {
					t.Error(err)
				}
				got, err := os.ReadFile(path)
				if err != nil || len(got) != 10_000 || !bytes.Equal(got, bytes.Repeat(got[:1], 10_000)) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
	group.Wait()
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "kept"), nil); err != nil {
		t.Fatal(err)
	}
	f, err := Create(filepath.Join(dir, "killed"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, name := range []string{"folder", "kept folder"} {
		tmp, err := CreateFolder(filepath.Join(dir, name))
		if err == nil {
			err = Write(filepath.Join(tmp, "file"), nil)
		}
		if err == nil && name == "kept folder" {
			err = CommitFolder(tmp, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := SweepPath(filepath.Join(dir, "folder")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 3 {
		t.Errorf("the folder holds %q after the leftovers of one path were swept", got)
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"kept", "kept folder"}) {
		t.Errorf("the folder holds %q", got)
	}
	if err := Sweep(filepath.Join(dir, "gone")); err != nil {
		t.Error(err)
	}
}
