package ingest

import (
	"errors"
	"io"
	"path/filepath"
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
	if got := documents(t, r, "a.b", ""); !slices.Equal(got, []string{"in.jsonl:1 x", "in.jsonl:4 y"}) {
		t.Errorf("%q", got)
	}
}

// documents lists NAME and TEXT of a reader's documents, or what is wrong with them.
func documents(t *testing.T, r Reader, field, separator string) []string {
	t.Helper()
	var got []string
	for i, record := range readAll(t, r) {
		if record.Place != int64(i) {
			t.Errorf("%s has place %d, want %d", record.Name, record.Place, i)
		}
		for _, d := range record.AppendDocuments(nil, field, separator) {
			text := string(d.Text)
			if d.Err != nil {
				text = d.Err.Error()
			}
			got = append(got, filepath.Base(d.Name)+" "+text)
		}
	}
	return got
}

// A document that is too long is told and passed over; the next is read.
func TestLongDocument(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name, text string
		split      Split
		want       string
	}{
		{"in.txt", long + "\nshort\n", ByLine, "a line"},
		{"in.txt", "a\n" + long[1:] + "\n\nshort\n", ByParagraph, "a paragraph"},
		{"in.json", `["` + long + `", "short"]`, "", "a value"},
		{"in.jsonl", `{"text": "` + long + "\"}\n" + `{"text": "short"}`, "", "a line"},
	} {
		limits := DefaultLimits
		limits.Document = 1 << 20
		r, err := NewReader(c.name, strings.NewReader(c.text), Options{Split: c.split, Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		var got []Record
		for _, record := range readAll(t, r) {
			got = record.AppendDocuments(got, "text", "")
		}
		if len(got) != 2 || !errors.Is(got[0].Err, ErrDocument) || string(got[1].Text) != "short" || got[1].Place != 1 {
			t.Fatalf("%s: %+v", c.name, got)
		}
		if want := c.want + " of more than 1 MiB, the limit"; !strings.Contains(got[0].Err.Error(), want) {
			t.Errorf("%v, want %s", got[0].Err, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	for name, want := range map[string]Kind{
		"a.txt": Text, "a.md": Text, "a": Text, "a.jsonl": JSONL, "a.ndjson.gz": JSONL, "a.jsonl.zst": JSONL, "a.parquet": Parquet, "a.gz": Text,
		"a.JSONL": JSONL, "a.NDJSON.GZ": JSONL, "a.json": JSON, "a.Json.Bz2": JSON, "a.PARQUET": Parquet, "a.json.txt": Text,
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
