package filemap

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/internal/regular"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for _, want := range [][]byte{nil, []byte("deep and thin"), bytes.Repeat([]byte("x"), 1<<16+1)} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Data, want) {
			t.Fatalf("%d bytes, want %d", len(f.Data), len(want))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(dir); err == nil || !errors.Is(err, regular.ErrSpecial) {
		t.Errorf("a folder gives %v", err)
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestGuard(t *testing.T) {
	if err := Bytes(nil).Guard(func() {}); err != nil {
		t.Error(err)
	}
	defer func() {
		if r := recover(); r != "other" {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = Bytes(nil).Guard(func() { panic("other") })
}

// A file that is cut short while it is mapped is an error, not the end of the program,
// within its last page too.
func TestGuardCutFile(t *testing.T) {
	for _, left := range []int64{0, 1<<16 - 1} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<16), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, left); err != nil {
			t.Skipf("a mapped file cannot be cut here: %v", err)
		}
		sum := 0
		err = f.Guard(func() {
			for _, b := range f.Data {
				sum += int(b)
			}
		})
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "cut short while it was read") {
			t.Errorf("%d bytes left: %v, the sum is %d", left, err, sum)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Parts cover every element once.
func TestParts(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 1000} {
		seen := make([]int, n)
		if err := Bytes(nil).Parts(n, 8, func(from, to int) {
			for i := from; i < to; i++ {
				seen[i]++
			}
		}); err != nil {
			t.Fatal(err)
		}
		for i, times := range seen {
			if times != 1 {
				t.Fatalf("of %d, %d is read %d times", n, i, times)
			}
		}
	}
}

// Read is of the file, and of one that is cut short an error.
func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("deep and thin"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, f := range []*File{f, Bytes([]byte("deep and thin"))} {
		got := make([]byte, 3)
		if err := f.Read(got, 5); err != nil || string(got) != "and" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.Truncate(path, 6); err != nil {
		t.Fatal(err)
	}
	if err := f.Read(make([]byte, 3), 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of a file cut short: %v", err)
	}
}
