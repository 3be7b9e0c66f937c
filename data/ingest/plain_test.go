package ingest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// everywhere cuts a text at any place.
func everywhere(text []byte, from int) int { return min(from, len(text)) }

// joined are the documents of a reader, their parts put together.
func joined(t *testing.T, r Reader) []string {
	t.Helper()
	var all []string
	open := false
	for _, part := range readAll(t, r) {
		if part.First == open {
			t.Fatalf("%s: first %v within a document %v", part.Name, part.First, open)
		}
		if part.First {
			all = append(all, part.Name+" ")
		}
		if int(part.Place) != len(all)-1 || !strings.HasPrefix(all[len(all)-1], part.Name+" ") {
			t.Fatalf("a part of %s, place %d, after %q", part.Name, part.Place, all)
		}
		all[len(all)-1] += string(part.Text)
		open = !part.Last
	}
	if open {
		t.Fatal("the last document does not end")
	}
	return all
}

// documentsOf reads a text at once and in small parts, which must agree.
func documentsOf(t *testing.T, text, separator string, sizes ...int) []string {
	t.Helper()
	o := Options{Separator: separator}
	r, err := NewReader("in", strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	want := joined(t, r)
	o.Cut = everywhere
	for _, o.PartSize = range sizes {
		r, err := NewReader("in", iotest.HalfReader(strings.NewReader(text)), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := joined(t, r); !slices.Equal(got, want) {
			t.Fatalf("%q at %q: parts of %d give %q, the whole %q", text, separator, o.PartSize, got, want)
		}
	}
	return want
}

func TestSeparator(t *testing.T) {
	const end = "<|endoftext|>"
	for _, c := range []struct {
		text, separator string
		want            []string
	}{
		{"one", "", []string{"in one"}},
		{"one" + end + "two", "", []string{"in one" + end + "two"}},
		{"one" + end + "two", end, []string{"in:1 one", "in:1 two"}},
		{"one\n" + end + "\ntwo\n", end, []string{"in:1 one", "in:3 two\n"}},
		{"\none\n\n" + end + "\r\n\r\ntwo\nmore\n" + end + "\n", end, []string{"in:1 \none", "in:6 two\nmore"}},
		{end + end + "\n" + end + "one" + end + "\n\n" + end, end, []string{"in:2 one"}},
		{end + "\n" + end, end, []string{"in:2 "}}, // an empty text, as an empty file is
		{"", end, []string{"in:1 "}},
		{"one <|endof" + end + " two <|endoftext|", end, []string{"in:1 one <|endof", "in:1  two <|endoftext|"}},
		{"one\n\n\ntwo\n\nthree", "\n\n", []string{"in:1 one", "in:4 two", "in:6 three"}},
		{"one\n---\ntwo\n---\n\n---\nthree", "\n---\n", []string{"in:1 one", "in:3 two", "in:7 three"}},
		{"aabaabaaab", "aab", []string{"in:1 a"}},
		{strings.Repeat("\n", 50) + end + strings.Repeat("\n", 50) + "x" + strings.Repeat("\n", 50) + end, end, []string{"in:101 x"}},
	} {
		got := documentsOf(t, c.text, c.separator, 1, 2, 3, 5, 7, 13, 50, 1000)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q at %q: %q, want %q", c.text, c.separator, got, c.want)
		}
	}
}

// Separated documents of a file that is larger than many parts.
func TestSeparatorInLongFile(t *testing.T) {
	var text strings.Builder
	var want []string
	for i := range 3000 {
		doc := strings.Repeat(fmt.Sprintf("document %d goes on\n", i), 1+i*i%97)
		want = append(want, strings.TrimRight(doc, "\n"))
		text.WriteString(doc + "<|endoftext|>\n")
	}
	for _, size := range []int{100, 1 << 12, 1 << 20} {
		r, err := NewReader("in", strings.NewReader(text.String()), Options{Separator: "<|endoftext|>", Cut: everywhere, PartSize: size})
		if err != nil {
			t.Fatal(err)
		}
		got := joined(t, r)
		for i := range got {
			_, got[i], _ = strings.Cut(got[i], " ")
		}
		if !slices.Equal(got, want) {
			t.Errorf("parts of %d: %d documents, want %d", size, len(got), len(want))
		}
	}
}

// The texts of JSON are cut as plain text is.
func TestSeparatorInJSON(t *testing.T) {
	r, err := NewReader("in.jsonl", strings.NewReader(`{"text": "one\n<|endoftext|>\ntwo"}`+"\n"+`{"text": "<|endoftext|>"}`+"\n"+`{"text": 3}`+"\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"in.jsonl:1 one", "in.jsonl:1 two", "in.jsonl:2 ", `in.jsonl:3 unreadable document: field "text" is no string`}
	if got := documents(t, r, "text", "<|endoftext|>"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Text that no place cuts ends the reading before memory holds all of it.
func TestUncuttable(t *testing.T) {
	nowhere := func(text []byte, _ int) int { return len(text) }
	limits := DefaultLimits
	limits.Document = 1 << 20
	for _, size := range []int{1 << 18, 1 << 19, 1<<20 - 1, 1<<20 + 1, 1 << 21} {
		o := Options{Cut: nowhere, PartSize: 1 << 16, Limits: limits}
		r, err := NewReader("in.txt", strings.NewReader(strings.Repeat("a", size)), o)
		for err == nil {
			_, err = r.Next()
		}
		if tooLong := err != io.EOF; tooLong != (size > 1<<20) || tooLong && !strings.Contains(err.Error(), "in.txt: more than 1 MiB without a place") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func FuzzSeparator(f *testing.F) {
	f.Add("one\n<>\ntwo<><>three\n\n", "<>", 3)
	f.Add("\n\n\n\na\n\n\nb", "\n\n", 1)
	f.Fuzz(func(t *testing.T, text, separator string, size int) {
		if size < 1 || size > 1000 || NotText([]byte(text)) != "" {
			return
		}
		documentsOf(t, text, separator, size)
	})
}

func BenchmarkSeparator(b *testing.B) {
	text := strings.Repeat(strings.Repeat("a short story\n", 70)+"<|endoftext|>\n", 20_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r, err := NewReader("in", strings.NewReader(text), Options{Separator: "<|endoftext|>", Cut: everywhere})
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}
