package huggingface

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// oddFiles are such that a reader which thinks JSON simple might go wrong.
var oddFiles = []string{
	`{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}`,
	`{"model": {"merges": [["a", "b"]], "vocab": {"a": 0, "b": 1, "ab": 2}, "type": "BPE"}, "version": "1.0"}`,
	`{ "model" : { "vocab" : { "\u0120a" : 0 , "\"" : 1 , "}" : 2, "é" : 3 } , "merges" : [ ] , "dropout": null } }`,
	`{"model": {"vocab": {"a": 0, "a": 1}, "merges": []}}`,
	`{"model": {"vocab": {"a": 0}, "vocab": {"b": 1}, "merges": []}}`,
	`{"model": {"vocab": {"a": 0}, "Vocab": {"b": 1}, "merges": []}}`,
	`{"model": {"vocab": {"a": 0}, "merges": []}, "model": {"vocab": {"c": 4}, "merges": []}}`,
	`{"model": {"vocab": {"a": null}, "merges": null}}`,
	`{"model": {"vocab": {"a": 1.0}, "merges": []}}`,
	`{"model": {"vocab": {"a": 01}, "merges": []}}`,
	`{"model": {"vocab": {"a": -0}, "merges": []}}`,
	`{"model": {"vocab": {"a": 4294967296}, "merges": []}}`,
	`{"model": {"vocab": {"a": 0,}, "merges": []}}`,
	`{"model": {"vocab": {"a": 0}, "merges": ["a b c"]}}`,
	`{"model": {"vocab": {"a": 0}, "merges": [["a"]]}}`,
	`{"model": {"vocab": {"a": 0}, "merges": [["a", "b", "c"]]}}`,
	`{"model": {"vocab": {"a": 0}, "merges": [["a", 5]]}}`,
	`{"model": {"vocab": {"a": 0}, "merges": ["a b", ["c", "d"]]}}`,
	`{"model": {"type": "WordLevel", "vocab": {"a": 0}, "merges": []}}`,
	`{"model": {"type": "Unigram", "vocab": [["a", -1.5]], "merges": []}}`,
	`{"model": {"vocab": {"a": 0}, "merges": []}} x`,
	`{"model": {"vocab": {"a": 0}, "merges": []}`,
	`{"model": {"vocab": {"a` + "\n" + `": 0}, "merges": []}}`,
	`{"model": {"vocab": {"` + "\xff" + `": 0}, "merges": []}}`,
	`{"model": {"vocab": {"\ud800": 0}, "merges": []}}`,
	`{"model": {"vocab": {"a": 0}, "merges": []}, "added_tokens": [{"id": 0, "content": "\"vocab\": {"}]}`,
	`{"model": [], "merges": 1}`, `{}`, `[]`, ``, `{"model": {"vocab": {}, "merges": []}}`, `{"model": {"vocab": {}, "merges": []}, }`,
}

// equalParse holds the two ways to read a file to each other.
func equalParse(t *testing.T, raw []byte) {
	t.Helper()
	fast, err := parse(raw)
	slow, slowErr := parseSlowly(raw)
	if (err == nil) != (slowErr == nil) || err != nil && err.Error() != slowErr.Error() {
		t.Fatalf("%.200q: the error is %v, want %v", raw, err, slowErr)
	}
	if !reflect.DeepEqual(fast, slow) {
		t.Fatalf("%.200q: %+v, want %+v", raw, fast, slow)
	}
}

func TestParseLarge(t *testing.T) {
	for _, text := range oddFiles {
		equalParse(t, []byte(text))
	}
	files, err := filepath.Glob("testdata/*/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, more...) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if json.Valid(raw) {
			equalParse(t, raw)
		}
	}
	// The common form is read by the short way.
	for _, text := range oddFiles[:3] {
		if _, ok := readLarge([]byte(text)); !ok {
			t.Errorf("%s is read the long way", text)
		}
	}
}

func FuzzParseLarge(f *testing.F) {
	for _, text := range oddFiles {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { equalParse(t, raw) })
}
