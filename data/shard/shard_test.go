package shard

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path string, meta Meta, docs ...[]int32) Info {
	t.Helper()
	w, err := Create(path, meta)
	if err != nil {
		t.Fatal(err)
	}
	for _, ids := range docs {
		if err := w.Append(ids); err != nil {
			t.Fatal(err)
		}
		w.EndDocument(int64(3 * len(ids)))
	}
	info, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestRoundTrip(t *testing.T) {
	for _, meta := range []Meta{
		{Width: 2, Vocab: 300, BOS: None, EOS: 2, Tokenizer: "0123456789abcdef"},
		{Width: 4, Vocab: 1 << 20, BOS: 1, EOS: None, Tokenizer: "fedcba9876543210"},
	} {
		path := filepath.Join(t.TempDir(), "a.tok")
		w, err := Create(path, meta)
		if err != nil {
			t.Fatal(err)
		}
		docs := [][]int32{{1, 2, 3}, {}, {7, 299}}
		for i, ids := range docs {
			if i == 1 { // what is dropped leaves no trace
				if err := errors.Join(w.Append([]int32{9, 9, 9}), w.DropDocument()); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Append(ids); err != nil {
				t.Fatal(err)
			}
			w.EndDocument(10)
		}
		if err := w.Append([]int32{4}); err != nil { // an unfinished document
			t.Fatal(err)
		}
		info, err := w.Finish()
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if s.Info != info || s.Tokens != 5 || s.Documents != 3 || s.TextBytes != 30 || s.Meta != meta {
			t.Errorf("%+v, written %+v", s.Info, info)
		}
		for i, ids := range docs {
			from, to := s.Document(int64(i))
			got := make([]int32, to-from)
			s.Read(got, from)
			if !slices.Equal(got, ids) {
				t.Errorf("document %d: %v, want %v", i, got, ids)
			}
		}
		if err := s.Verify(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
			t.Errorf("files %v", left)
		}
	}
}

func TestAppendRefusesForeignID(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "a.tok"), Meta{Width: 2, Vocab: 10, Tokenizer: "0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Append([]int32{3, 10}); err == nil || !strings.Contains(err.Error(), "id 10 is outside the vocabulary of 10") {
		t.Error(err)
	}
}

func TestBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.tok")
	write(t, path, Meta{Width: 2, Vocab: 300, BOS: None, EOS: 2, Tokenizer: "0123456789abcdef"}, []int32{1, 2, 3, 4}, []int32{5, 6})
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set := func(at int, value byte) []byte {
		b := slices.Clone(good)
		b[at] = value
		return b
	}
	for name, c := range map[string]struct {
		file   []byte
		want   string
		verify bool // only the checksum tells
	}{
		"empty":        {nil, "the header alone has 128", false},
		"text":         {[]byte(strings.Repeat("hello", 100)), `does not begin with "MLLMTOKS"`, false},
		"version":      {set(8, 9), "version 9, want 1", false},
		"width":        {set(12, 3), "3 bytes a token", false},
		"cut short":    {good[:len(good)-5], "cut short", false},
		"added to":     {append(slices.Clone(good), 0), "added to", false},
		"tokens":       {set(23, 0xff), "tokens and", false},
		"index":        {set(len(good)-8, 3), "document 1 ends at token 3, the one before at 4", false},
		"index offset": {set(72, 3), "index at 3", false},
		"one token":    {set(headerSize+2, 77), "checksum", true},
		"fingerprint":  {set(56, 77), "checksum", true},
		"the checksum": {set(sumAt, good[sumAt]+1), "checksum", true},
	} {
		broken := filepath.Join(dir, "broken.tok")
		if err := os.WriteFile(broken, c.file, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(broken)
		if err == nil && c.verify {
			err = s.Verify()
			s.Close()
		}
		if err == nil || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "broken.tok") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if !IsShard(path) || IsShard(filepath.Join(dir, "none")) {
		t.Error("IsShard")
	}
	if end := binary.LittleEndian.Uint64(good[len(good)-8:]); end != 6 {
		t.Errorf("the index ends with %d", end)
	}
}
