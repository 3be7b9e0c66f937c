package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestJSONFiles(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"in.json", "[\n {\n  \"text\": \"one\"\n },\n {\"text\": \"t]w}o \\\" [\"},\n {\"id\": [1, {\"text\": 2}]}\n]\n", []string{
			"in.json[0] one", `in.json[1] t]w}o " [`, `in.json[2] unreadable document: no field "text", there is id`,
		}},
		{"in.json", `["one", "two", 3, null, ["text"], {"text": NaN}, nope, {"text": "last"}]`, []string{
			"in.json[0] one", "in.json[1] two", `in.json[2] unreadable document: no object with a field "text"`,
			`in.json[3] unreadable document: no object with a field "text"`, `in.json[4] unreadable document: no object with a field "text"`,
			`in.json[5] unreadable document: field "text" is no string`,
			"in.json[6] unreadable document: broken JSON at byte 0: 'n' where a value is wanted", "in.json[7] last",
		}},
		{"in.json", "\ufeff [] \n", nil},
		{"in.jsonl", "[1, 2]\n\n[{\"text\": \"x\"}]\n{\"text\": \"y\"}\n", []string{
			`in.jsonl:1 unreadable document: no object with a field "text"`, `in.jsonl:3 unreadable document: no object with a field "text"`, "in.jsonl:4 y",
		}},
		{"in.jsonl", `[{"text": "an array all the same"}]`, []string{"in.jsonl[0] an array all the same"}},
		{"in.json", `{"text": "a single one"}`, []string{"in.json:1 a single one"}},
		{"in.json", "{\n \"text\": \"over\",\n \"n\": 1\n}\n", []string{"in.json:1 over"}},
		{"in.json", "\ufeff\n{\n \"text\": \"one\"\n}\n{\n \"text\": \"two\"}{\"text\": \"three\"}", []string{"in.json:2 one", "in.json:5 two", "in.json:6 three"}},
		{"in.json", "{\"text\": \"one\"}\n{\"text\": oops}\n\n{\"text\": \"two\"}\n", []string{
			"in.json:1 one", "in.json:2 unreadable document: broken JSON at byte 9: 'o' where a value is wanted", "in.json:4 two",
		}},
		{"in.json", "{\"text\": \"cut\n{\"text\": \"two\"}\n", []string{
			"in.json:1 unreadable document: broken JSON at byte 13: it ends within a value", "in.json:2 two",
		}},
		{"in.json", "no JSON\n", []string{"in.json:1 unreadable document: broken JSON at byte 0: 'n' where a value is wanted"}},
		{"in.jsonl", "{\n\"text\": \"x\"}\n", []string{
			"in.jsonl:1 unreadable document: broken JSON at byte 1: it ends within a value",
			"in.jsonl:2 unreadable document: broken JSON at byte 6: ':' where the end is wanted",
		}},
		{"in.jsonl", "\"a string\"\n", []string{`in.jsonl:1 unreadable document: no object with a field "text"`}},
		{"in.txt", `[{"text": "plain text all the same"}]`, []string{`in.txt [{"text": "plain text all the same"}]`}},
		{"in.json", "\n \n", nil},
	} {
		for _, small := range []bool{false, true} {
			in := io.Reader(strings.NewReader(c.text))
			if small {
				in = iotest.OneByteReader(in)
			}
			r, err := NewReader(c.name, in, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := documents(t, r, "text", ""); !slices.Equal(got, c.want) {
				t.Errorf("%s: %q\nwant %q", c.text, got, c.want)
			}
		}
	}
}

// Where nobody can know where the next value begins the file is broken.
func TestBrokenArrays(t *testing.T) {
	for text, want := range map[string]string{
		`[{"text": "x"}`:                 "in.json: broken JSON in line 1: the array does not end",
		`[`:                              "in.json is no JSON: line 1: the array does not end",
		"[\n{\"text\": \"x":              "in.json is no JSON: line 2: it ends within a value",
		"[{\"text\": \"x\ny\"}]":         "in.json is no JSON: line 1: a control character within a string",
		"[1,\n2, \"x":                    "broken JSON in line 2: it ends within a value",
		"[{\"text\": 1}, \"x\ny\"]":      "broken JSON in line 1: a control character within a string",
		"{\n  // a \"\n \"x\": 1\n}":     "in.json is no JSON: line 2: a control character within a string",
		"[{\"a\": 1}\n{\"a\": 2}]":       `broken JSON in line 2: '{' where a comma or bracket is wanted`,
		`[{"a": 1},]`:                    `']' where a value is wanted`,
		`[,]`:                            `',' where a value is wanted`,
		"[{\"a\": 1}\n]\n\n[{\"a\": 2}]": `broken JSON in line 4: '[' behind the array`,
	} {
		r, err := NewReader("in.json", strings.NewReader(text), Options{})
		for err == nil {
			_, err = r.Next()
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// The inputs of shared/cases/jsonl.
func TestJSONCases(t *testing.T) {
	line := func(i int) string { return fmt.Sprintf("line number %d of the padding text that fills", i) }
	var lines []string
	for i := range 60 {
		lines = append(lines, line(i))
	}
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprintf("%04d", i))
	}
	for name, want := range map[string][]string{
		"array.json":        lines,
		"casekeys.jsonl":    keys,
		"case-number.jsonl": append(slices.Clone(lines), "fine"),
		"nan.jsonl":         append(slices.Clone(lines), "has a nan", "has inf"),
		"nulls-some.jsonl":  append(slices.Clone(lines), `unreadable document: field "text" is null`, "after null"),
	} {
		r, err := Open("testdata/"+name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := documents(t, r, "text", "")
		for i := range got {
			_, got[i], _ = strings.Cut(got[i], " ")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	_, err := Open("testdata/utf16.jsonl", Options{})
	if !errors.Is(err, ErrNotText) || !strings.Contains(err.Error(), "utf16.jsonl is not text: it is UTF-16, UTF-8 is needed\nhint: iconv") {
		t.Error(err)
	}
}

// longArray is an array of n objects that is made while it is read.
type longArray struct {
	n    int
	item string
	rest bytes.Buffer
}

func newLongArray(n int) *longArray {
	a := &longArray{n: n, item: `{"id": 7, "text": "` + strings.Repeat("some text of a record ", 40) + `"}`}
	a.rest.WriteByte('[')
	return a
}

func (a *longArray) Read(p []byte) (int, error) {
	for a.rest.Len() < len(p) && a.n > 0 {
		a.rest.WriteString(a.item)
		if a.n--; a.n > 0 {
			a.rest.WriteString(",\n")
		} else {
			a.rest.WriteString("\n]")
		}
	}
	return a.rest.Read(p)
}

// An array of 90 MB is read in memory for one of its values.
func TestLargeArray(t *testing.T) {
	r, err := NewReader("in.json", newLongArray(100_000), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var most uint64
	var stats runtime.MemStats
	var records, docs int
	var buffer []Record
	for ; ; records++ {
		record, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range record.AppendDocuments(buffer[:0], "text", "") {
			if d.Err == nil && len(d.Text) == 40*22 {
				docs++
			}
		}
		if records%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&stats)
			most = max(most, stats.HeapAlloc)
		}
	}
	if records != 100_000 || docs != records || most > 40<<20 {
		t.Errorf("%d records, %d documents, %d bytes of heap", records, docs, most)
	}
}

func BenchmarkJSONLines(b *testing.B) {
	line := []byte(`{"id": 12345, "url": "https://example.org/a/b/c", "score": 0.25, "text": "` + strings.Repeat(`some \"text\" of a record\n`, 80) + `"}`)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if _, err := textOf(line, "text", false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONArray(b *testing.B) {
	in := newLongArray(b.N)
	r := newValues("in.json", io.NopCloser(in), &Options{Limits: DefaultLimits}, true)
	b.SetBytes(40*22 + 22)
	for range b.N {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// The items of a sound array are what encoding/json finds in it; what is not sound
// ends with an error or bad records, and ends.
func FuzzJSONArray(f *testing.F) {
	f.Add(`[{"text": "a]b\"c"}, "x", 3, [1, {"y": null}], {}]`)
	f.Add("[nope, {\"a\": [}, \"x\ny\"]")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := NewReader("in.json", strings.NewReader(text), Options{})
		if err != nil {
			return
		}
		var got []string
		for {
			record, err := r.Next()
			if err != nil {
				if json.Valid([]byte(text)) && err != io.EOF {
					t.Fatalf("%q: %v", text, err)
				}
				break
			}
			got = append(got, string(bytes.TrimSpace(record.Text)))
		}
		var items []json.RawMessage
		if json.Unmarshal([]byte(text), &items) != nil || items == nil {
			return
		}
		var want []string
		for _, item := range items {
			want = append(want, string(item))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	})
}
