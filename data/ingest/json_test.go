package ingest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// A line's text is what Python's json module gives, and no text where that fails.
// testdata/golden.py made the cases.
func TestJSONAsPython(t *testing.T) {
	golden, err := os.ReadFile("testdata/pythonjson.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		var c struct {
			Line string
			Text *string
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		text, err := textOf([]byte(c.Line), "text", false)
		switch {
		case c.Text == nil && err == nil:
			t.Errorf("%s: %q, Python has no text", c.Line, text)
		case c.Text != nil && err != nil:
			t.Errorf("%s: %v, Python has %q", c.Line, err, *c.Text)
		case c.Text != nil && string(text) != *c.Text:
			t.Errorf("%s: %q, Python has %q", c.Line, text, *c.Text)
		}
	}
}

func TestJSONErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"text": oops}`, `unreadable document: broken JSON at byte 9: 'o' where a value is wanted`},
		{`{"text": "x"`, "broken JSON at byte 12: it ends within a value"},
		{`{"text": "x"} y`, "broken JSON at byte 14: 'y' where the end is wanted"},
		{"{\"text\": \"a\tb\"}", `broken JSON at byte 11: '\t' within a string`},
		{`{"text": null}`, `field "text" is null`},
		{`{"text": 7}`, `field "text" is no string`},
		{`{"Text": "x", "id": 7}`, `no field "text", there is Text, id`},
		{`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}`, `no field "text", there is a, b, c, d, e, …`},
		{"{\"a\\u001b\x1b\":1}", `broken JSON`},
		{`{}`, `no field "text"`},
		{`[1]`, `no object with a field "text"`},
		{"{\"text\": \"caf\xe9\"}", "broken UTF-8 at byte 13"},
		{strings.Repeat("[", 20000), "more than 10000 values in each other"},
		{``, "broken JSON at byte 0: it ends within a value"},
	} {
		if text, err := textOf([]byte(c.line), "text", false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %q, %v, want %s", c.line, text, err, c.want)
		}
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct{ line, field, want string }{
		{`{"a": {"b": {"c": "x"}}}`, "a.b.c", "x"},
		{`{"a": {"b.c": "x"}}`, "a.b.c", "x"},
		{`{"a.b": "whole name", "a": {"b": "inner"}}`, "a.b", "whole name"},
		{`{"a": {"b": "first"}, "a": {"b": "last"}}`, "a.b", "last"},
		{`{"A": {"b": "x"}, "a": {"B": "x"}}`, "a.b", ""},
		{`{"a": "x"}`, "a.b", ""},
		{`{"a": null}`, "a.b", ""},
		{`{"body": "x\ud800y"}`, "body", "x\ufffdy"},
		{`{"": "x"}`, "", "x"},
	} {
		if text, err := textOf([]byte(c.line), c.field, false); string(text) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s of %s: %q, %v, want %q", c.field, c.line, text, err, c.want)
		}
	}
}

func TestEachString(t *testing.T) {
	var got []string
	r := Record{Text: []byte(` {"key": "one", "n": NaN, "in": [{"x": "t\u0077o"}, 3, "three"]} `)}
	if err := r.EachString(func(text []byte) { got = append(got, string(text)) }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != "one two three" {
		t.Errorf("%q", got)
	}
}

// Sound JSON is what encoding/json finds sound, but for the words of numbers.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"text": "a\u0041\n", "b": [1.5e3, {"c": null}]}`))
	f.Add([]byte(`{"text": "\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		value, err := wholeValue(line)
		for _, word := range []string{"NaN", "Infinity"} {
			if strings.Contains(string(line), word) {
				return
			}
		}
		if sound := json.Valid(line); sound != (err == nil) {
			t.Fatalf("%q: %v, encoding/json says %v", line, err, sound)
		}
		if err != nil || value[0] != '"' || !utf8.Valid(line) {
			return
		}
		var want string
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		if got := string(unquote(value[1 : len(value)-1])); got != want {
			t.Fatalf("%q: %q, want %q", line, got, want)
		}
	})
}
