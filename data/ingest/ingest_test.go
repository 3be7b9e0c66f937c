package ingest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func readAll(t *testing.T, r Reader) []Record {
	t.Helper()
	var all []Record
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record)
	}
}

// A long text comes in parts that are its own again when they are joined.
func TestParts(t *testing.T) {
	text := strings.Repeat("some words and then more of them ", 1000)
	blank := func(text []byte, from int) int {
		if at := strings.IndexByte(string(text[from:]), ' '); at >= 0 {
			return from + at
		}
		return len(text)
	}
	for _, size := range []int{1, 10, 1000, 20000, 1 << 20} {
		r, err := NewReader("in.txt", strings.NewReader(text), Options{Cut: blank, PartSize: size})
		if err != nil {
			t.Fatal(err)
		}
		var joined strings.Builder
		all := readAll(t, r)
		for i, part := range all {
			joined.Write(part.Text)
			if part.First != (i == 0) || part.Last != (i == len(all)-1) || part.Place != 0 {
				t.Fatalf("part %d of %d: %+v", i, len(all), part)
			}
			if i > 0 && part.Text[0] != ' ' {
				t.Fatalf("part %d begins with %q", i, part.Text[:5])
			}
		}
		if joined.String() != text {
			t.Errorf("parts of %d: other text", size)
		}
		if len(all) < len(text)/size/40 {
			t.Errorf("parts of %d: only %d", size, len(all))
		}
	}
}

func TestLines(t *testing.T) {
	r, err := NewReader("in.jsonl", strings.NewReader("\ufeff{\"a\": {\"b\": \"x\"}}\r\n\n  \n{\"a.b\": \"y\"}"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, record := range readAll(t, r) {
		if err := record.Decode("a.b"); err != nil {
			t.Error(err)
		}
		got = append(got, fmt.Sprintf("%s %d %s", record.Name, record.Place, record.Text))
	}
	if want := []string{"in.jsonl:1 0 x", "in.jsonl:4 1 y"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A line that is too long is told and passed over; the next is read.
func TestLongLine(t *testing.T) {
	in := io.MultiReader(io.LimitReader(endless{}, longestLine+5), strings.NewReader("\nshort\n"))
	r, err := NewReader("in.txt", in, Options{Split: ByLine})
	if err != nil {
		t.Fatal(err)
	}
	all := readAll(t, r)
	if len(all) != 2 || !errors.Is(all[0].Err, ErrDocument) || string(all[1].Text) != "short" || all[1].Place != 1 {
		t.Errorf("%d records, the first %v", len(all), all[0].Err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestKindOf(t *testing.T) {
	for name, want := range map[string]Kind{
		"a.txt": Text, "a.md": Text, "a": Text, "a.jsonl": JSONL, "a.ndjson.gz": JSONL, "a.jsonl.zst": JSONL, "a.parquet": Parquet, "a.gz": Text,
	} {
		if got := KindOf(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if _, err := NewReader("-", nil, Options{Kind: Parquet}); err == nil || !strings.Contains(err.Error(), "cannot be read from a stream") {
		t.Error(err)
	}
	if _, err := NewReader("-", strings.NewReader(""), Options{Split: "word"}); err == nil || !strings.Contains(err.Error(), `"word"`) {
		t.Error(err)
	}
}
