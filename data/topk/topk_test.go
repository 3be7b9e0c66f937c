package topk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func meta(vocab int) Meta {
	return Meta{
		K: 3, Vocab: vocab, Seq: 5, Tokens: 33, Tokenizer: "0123456789abcdef",
		Text: strings.Repeat("ab", 32), Teacher: strings.Repeat("cd", 32),
	}
}

// values are the ids and log-probabilities of every position.
func values(m Meta) (ids []int32, logp []float32) {
	r := rand.New(rand.NewPCG(1, 2))
	for range m.Tokens * int64(m.K) {
		ids = append(ids, int32(r.IntN(m.Vocab)))
		logp = append(logp, -float32(r.IntN(1<<16))*unit)
	}
	return ids, logp
}

// write appends blocks until there are so many.
func write(t *testing.T, w *Writer, blocks int64) {
	t.Helper()
	m := w.Meta()
	ids, logp := values(m)
	for w.Blocks() < blocks {
		at := w.Blocks() * int64(m.entries())
		n := int64(w.Positions() * m.K)
		if err := w.Append(ids[at:at+n], logp[at:at+n]); err != nil {
			t.Fatal(err)
		}
	}
}

func create(t *testing.T, dir string, m Meta, group int) *Writer {
	t.Helper()
	w, err := Create(dir, m, group)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func finished(t *testing.T, m Meta) string {
	t.Helper()
	dir := t.TempDir()
	w := create(t, dir, m, 1)
	write(t, w, m.Blocks())
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRoundTrip(t *testing.T) {
	for _, m := range []Meta{meta(300), meta(1 << 17)} {
		dir := finished(t, m)
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Meta != m || f.Top() != m.K {
			t.Errorf("meta is %+v, want %+v", f.Meta, m)
		}
		ids, logp := values(m)
		for at := range m.Tokens { // within a block, over its end, over several
			for _, n := range []int64{1, 5, 12} {
				if at+n > m.Tokens {
					continue
				}
				gotIDs, gotLogp := make([]int32, n*3), make([]float32, n*3)
				if err := f.Read(gotIDs, gotLogp, at); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(gotIDs, ids[at*3:(at+n)*3]) || !slices.Equal(gotLogp, logp[at*3:(at+n)*3]) {
					t.Fatalf("%d positions from %d differ", n, at)
				}
			}
		}
		if err := f.Read(make([]int32, 3), make([]float32, 3), m.Tokens); err == nil {
			t.Error("a position behind the end was read")
		}
		var want float64
		for _, l := range logp {
			want += math.Exp(float64(l)) / float64(m.Tokens)
		}
		if share, err := f.Verify(); err != nil || math.Abs(share-want) > 1e-6 {
			t.Errorf("share %v, %v; want %v", share, err, want)
		}
	}
}

// A log-probability is stored to half a step, one far down as the lowest.
func TestRounding(t *testing.T) {
	m := meta(300)
	m.Tokens, m.Seq, m.K = 1, 1, 4
	w := create(t, t.TempDir(), m, 1)
	given := []float32{1e-7, -0.1, -7.7777, -40}
	if err := errors.Join(w.Append([]int32{1, 2, 3, 4}, given), w.Finish()); err != nil {
		t.Fatal(err)
	}
	f, err := Open(filepath.Dir(w.path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]float32, 4)
	if err := f.Read(make([]int32, 4), got, 0); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0, -0.1, -7.7777, -65535.0 / 2048} {
		if math.Abs(float64(got[i])-want) > 0.5001/2048 {
			t.Errorf("%v is stored as %v", given[i], got[i])
		}
	}
}

// Wherever the writer ends, even within a block, a later one goes on to the same
// bytes.
func TestResume(t *testing.T) {
	m := meta(300)
	whole, err := os.ReadFile(filepath.Join(finished(t, m), Name))
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range []int{1, 3} {
		for size := 0; size <= len(whole); size += 13 {
			dir := t.TempDir()
			left := slices.Clone(whole[:size])
			if size%2 == 1 && size > headerSize { // the last page never reached the disk
				left[size-1] ^= 0x40
			}
			if err := os.WriteFile(filepath.Join(dir, Name+partial), left, 0o644); err != nil {
				t.Fatal(err)
			}
			w := create(t, dir, m, group)
			if w.Blocks()%int64(group) != 0 && w.Blocks() != m.Blocks() {
				t.Errorf("size %d: %d blocks kept with groups of %d", size, w.Blocks(), group)
			}
			write(t, w, m.Blocks())
			share := w.Share()
			if err := w.Finish(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, Name))
			if err != nil || !bytes.Equal(got, whole) {
				t.Fatalf("size %d: the file differs (%v)", size, err)
			}
			again := create(t, dir, m, group) // a finished file is left alone
			if again.Blocks() != m.Blocks() || math.Abs(again.Share()-share) > 1e-6 {
				t.Errorf("size %d: %d blocks with share %v, want %v", size, again.Blocks(), again.Share(), share)
			}
			if err := again.Finish(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOtherSettings(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *Meta)
		want   string
	}{
		"k":         {func(m *Meta) { m.K = 2 }, "its k is 3, asked for is 2"},
		"window":    {func(m *Meta) { m.Seq = 6 }, "its window is 5, asked for is 6"},
		"tokenizer": {func(m *Meta) { m.Tokenizer = "fedcba9876543210" }, "its tokenizer is 0123456789abcdef"},
		"text":      {func(m *Meta) { m.Text = strings.Repeat("00", 32) }, "its text's checksum is ab"},
		"teacher":   {func(m *Meta) { m.Teacher = strings.Repeat("00", 32) }, "its teacher's checksum is cd"},
	} {
		t.Run(name, func(t *testing.T) {
			done, begun := finished(t, meta(300)), t.TempDir()
			w := create(t, begun, meta(300), 1)
			write(t, w, 2)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			m := meta(300)
			c.change(&m)
			for _, dir := range []string{done, begun} {
				if _, err := Create(dir, m, 1); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "\nhint: ") {
					t.Errorf("error is %v, want %q", err, c.want)
				}
			}
		})
	}
}

func TestBrokenFiles(t *testing.T) {
	dir := finished(t, meta(300))
	path := filepath.Join(dir, Name)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set := func(at int, value byte) []byte {
		b := slices.Clone(good)
		b[at] = value
		return b
	}
	resealed := func(at int, value uint32) []byte {
		b := slices.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], value)
		binary.LittleEndian.PutUint32(b[sumAt:], crc32.Checksum(b[:sumAt], castagnoli))
		return b
	}
	end := headerSize + int(meta(300).blockSize())
	reseal := func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[end-4:], blockSum(0, b[headerSize:end-4]))
		return b
	}
	foreign := slices.Clone(good) // an id that the vocabulary does not have, with a checksum that fits
	binary.LittleEndian.PutUint16(foreign[headerSize:], 300)
	foreign = reseal(foreign)
	share := func(x float32) []byte {
		b := slices.Clone(good)
		binary.LittleEndian.PutUint32(b[end-trailer:], math.Float32bits(x))
		return reseal(b)
	}
	swapped := slices.Clone(good)
	copy(swapped[headerSize:end], good[end:])
	for name, c := range map[string]struct {
		file   []byte
		want   string
		verify bool // told when the block is read
	}{
		"empty":      {nil, "the header alone has 192", false},
		"text":       {[]byte(strings.Repeat("hello", 100)), `does not begin with "MLLMTOPK"`, false},
		"version":    {set(8, 9), "version 9, want 1", false},
		"header":     {set(24, 6), "the header's checksum", false},
		"k":          {resealed(12, 301), "k is 301, want 1 to 300", false},
		"width":      {resealed(16, 4), "4 bytes an id", false},
		"cut short":  {good[:len(good)-5], "cut short", false},
		"added to":   {append(slices.Clone(good), 0), "added to", false},
		"an id":      {set(headerSize+1, 1), "the checksum of block 0", true},
		"last block": {set(len(good)-9, good[len(good)-9]^1), "the checksum of block 6", true},
		"swapped":    {swapped, "the checksum of block 0", true},
		"foreign id": {foreign, "id 300 is outside the vocabulary of 300", true},
		"NaN":        {share(float32(math.NaN())), "block 0: the 3 log-probabilities hold a share of NaN", true},
		"negative":   {share(-0.5), "hold a share of -0.5", true},
		"above all":  {share(3.5), "hold a share of 3.5", true},
	} {
		if err := os.WriteFile(path, c.file, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(dir)
		if err == nil && c.verify {
			err = f.Read(make([]int32, 33*3), make([]float32, 33*3), 0)
			if _, verified := f.Verify(); (verified == nil) != (err == nil) {
				t.Errorf("%s: read gives %v, verify %v", name, err, verified)
			}
			f.Close()
		}
		if err == nil || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), Name) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "mobilellm-data teach makes it") {
		t.Error(err)
	}
	unfinished := t.TempDir()
	if err := os.WriteFile(filepath.Join(unfinished, Name+partial), good, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(unfinished); err == nil || !strings.Contains(err.Error(), "is not finished\nhint: ") {
		t.Error(err)
	}
}

func TestAppendErrors(t *testing.T) {
	w := create(t, t.TempDir(), meta(300), 1)
	defer w.Close()
	ids, logp := make([]int32, 15), make([]float32, 15)
	if err := w.Append(ids[:3], logp[:3]); err == nil || !strings.Contains(err.Error(), "3 ids and 3 log-probabilities, want 15") {
		t.Error(err)
	}
	ids[4] = 300
	if err := w.Append(ids, logp); err == nil || !strings.Contains(err.Error(), "id 300 is outside the vocabulary of 300") {
		t.Error(err)
	}
	ids[4], logp[5] = 0, float32(math.NaN())
	if err := w.Append(ids, logp); err == nil || !strings.Contains(err.Error(), "log-probability 5 is NaN") {
		t.Error(err)
	}
	if err := w.Finish(); err == nil || !strings.Contains(err.Error(), "0 blocks of 7") {
		t.Error(err)
	}
}
