package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
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
		"vocabulary":   {set(43, 0x80), "vocabulary of 2147483948", false},
		"no ids":       {append(append(slices.Clone(good[:40]), 0, 0, 0, 0), good[44:]...), "vocabulary of 0", false},
		"EOS":          {set(49, 2), "EOS 514 is outside the vocabulary of 300", false},
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

// resealed is a shard with other tokens and a checksum that fits them, as a program
// that does not look at its ids would write it.
func resealed(t *testing.T, path string, tokens map[int64]uint32) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at, id := range tokens {
		if width := int64(file[12]); width == 2 {
			binary.LittleEndian.PutUint16(file[headerSize+2*at:], uint16(id))
		} else {
			binary.LittleEndian.PutUint32(file[headerSize+4*at:], id)
		}
	}
	sum := sha256.New()
	sum.Write(file[headerSize:])
	sum.Write(file[:sumAt])
	copy(file[sumAt:], sum.Sum(nil))
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Ids that the vocabulary does not have are told by place and value, the first of
// them, wherever they lie.
func TestForeignIDs(t *testing.T) {
	const n = verifyTokens + 1000
	for _, c := range []struct {
		name   string
		width  int
		vocab  int // of the header
		within int // of the tokenizer
		tokens map[int64]uint32
		want   string
	}{
		{"none", 2, 300, 300, nil, ""},
		{"the last id", 2, 300, 300, map[int64]uint32{5: 299}, ""},
		{"V", 2, 300, 300, map[int64]uint32{5: 300}, "token 5, of document 0, has id 300, outside its vocabulary of 300\nhint: "},
		{"largest", 2, 300, 300, map[int64]uint32{7: 65535}, "token 7, of document 0, has id 65535"},
		{"the first of two", 2, 300, 300, map[int64]uint32{n - 1: 400, 3: 301}, "token 3, of document 0, has id 301"},
		{"in the second block", 2, 300, 300, map[int64]uint32{n - 2: 300}, fmt.Sprintf("token %d, of document 1, has id 300", n-2)},
		{"wide", 4, 70000, 70000, map[int64]uint32{100: 70000}, "token 100, of document 0, has id 70000"},
		{"negative as int32", 4, 70000, 70000, map[int64]uint32{100: 1<<32 - 1}, "has id 4294967295, outside its vocabulary of 70000"},
		{"a smaller tokenizer", 2, 300, 257, map[int64]uint32{9: 257}, "token 9, of document 0, has id 257, outside the vocabulary of 257; the shard's own has 300\nhint: "},
		{"a smaller tokenizer, unused", 2, 300, 257, map[int64]uint32{9: 256}, ""},
		{"a larger tokenizer", 2, 300, 400, map[int64]uint32{9: 300}, "has id 300, outside its vocabulary of 300"},
		{"all of 16 bits", 2, 1 << 16, 1 << 16, map[int64]uint32{0: 65535}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.tok")
			write(t, path, Meta{Width: c.width, Vocab: c.vocab, BOS: None, EOS: 2, Tokenizer: "0123456789abcdef"}, make([]int32, verifyTokens), make([]int32, 1000))
			resealed(t, path, c.tokens)
			s, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = s.VerifyWithin(c.within)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "a.tok") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			own := !strings.Contains(c.want, "the shard's own")
			if own != (s.Verify() != nil) || own != errors.Is(err, ErrFormat) {
				t.Errorf("by its own vocabulary: %v", s.Verify())
			}
		})
	}
}

func TestOutside(t *testing.T) {
	for _, c := range []struct {
		ids  []int32
		want int
	}{
		{nil, -1}, {[]int32{0}, -1}, {[]int32{9, 3}, -1}, {[]int32{10}, 0}, {[]int32{1, -1, 11}, 1}, {[]int32{1, 2, 10, -5}, 2}, {[]int32{-1 << 31}, 0},
	} {
		if got := Outside(c.ids, 10); got != c.want {
			t.Errorf("%v: %d, want %d", c.ids, got, c.want)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "a.tok")
	w, err := Create(path, Meta{Width: 2, Vocab: 32000, BOS: None, EOS: 2, Tokenizer: "0123456789abcdef"})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Append(make([]int32, 1<<24)); err != nil {
		b.Fatal(err)
	}
	w.EndDocument(1)
	if _, err := w.Finish(); err != nil {
		b.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetBytes(2 << 24)
	for b.Loop() {
		if err := s.Verify(); err != nil {
			b.Fatal(err)
		}
	}
}
