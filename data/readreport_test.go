package data

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"mobilellm/data/ingest"
	"mobilellm/tokenizer"
)

// readTexts reads paths and returns the documents' texts and the notes, in which
// dir is left out.
func readTexts(t *testing.T, how Reading, dir string, paths ...string) (texts, notes []string) {
	t.Helper()
	var sources []Source
	for _, path := range paths {
		sources = append(sources, Source{Path: filepath.Join(dir, path)})
	}
	docs, report, err := ReadSources(context.Background(), sources, how)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		texts = append(texts, string(d.Text))
	}
	for _, note := range report.Notes() {
		notes = append(notes, strings.ReplaceAll(note, dir+string(filepath.Separator), ""))
	}
	return texts, notes
}

// A line that cannot be read does not end a run; it is counted and the first is named.
func TestBadLines(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.jsonl":    "{\"text\":\"one\",\"Text\":\"wrong\"}\n{\"text\":null}\n{\"text\":\"two\",\"score\":NaN}\n{\"Text\":\"wrong\"}\noops\n{\"text\":\"\"}\n",
		"b.JSONL.gz": "{\"text\":5}\n{\"text\":\"three\"}\n",
		"c.json":     "[{\"text\": \"four\"}, {\"text\": []}, \"five\"]",
		"none.jsonl": "{\"body\": {\"main\": \"six\"}}\n{\"body\": 1}\n",
		"d.txt":      "{\"text\": \"plain text\"}\n",
	})
	texts, notes := readTexts(t, Reading{}, dir, "a.jsonl", "b.JSONL.gz", "c.json", "d.txt")
	if want := []string{"one", "two", "three", "four", "five", "{\"text\": \"plain text\"}\n"}; !slices.Equal(texts, want) {
		t.Errorf("%q, want %q", texts, want)
	}
	want := []string{
		`data: left out 4 of 8 lines, the first is a.jsonl:2: field "text" is null`,
		"data: 1 of 8 lines are empty",
		`data: left out 1 of 3 items, the first is c.json[1]: field "text" is no string`,
	}
	if !slices.Equal(notes, want) {
		t.Errorf("%q, want %q", notes, want)
	}

	texts, notes = readTexts(t, Reading{}, dir, ".")
	if len(texts) != 6 || len(notes) != 4 || notes[0] != `data: left out 1 unreadable files, the first is none.jsonl holds no document: 2 of 2 lines cannot be read, the first is none.jsonl:1: no field "text", there is body` {
		t.Errorf("%q, %q", texts, notes)
	}
	if texts, _ = readTexts(t, Reading{Field: "body.main"}, dir, "none.jsonl"); !slices.Equal(texts, []string{"six"}) {
		t.Errorf("%q", texts)
	}
	_, _, err := ReadSources(context.Background(), []Source{{Path: filepath.Join(dir, "none.jsonl")}}, Reading{})
	wantError(t, "no good line", err, "none.jsonl holds no document: 2 of 2 lines cannot be read, the first is ", "none.jsonl:1: no field", "there is body")
}

// The inputs of shared/cases/jsonl are read as mobilellm-data reads them.
func TestJSONCases(t *testing.T) {
	dir := filepath.Join("ingest", "testdata")
	for name, want := range map[string]struct {
		docs int
		note string
	}{
		"array.json": {60, ""}, "casekeys.jsonl": {100, ""}, "case-number.jsonl": {61, ""}, "nan.jsonl": {62, ""},
		"nulls-some.jsonl": {61, `data: left out 1 of 62 lines, the first is nulls-some.jsonl:61: field "text" is null`},
	} {
		texts, notes := readTexts(t, Reading{}, dir, name)
		if len(texts) != want.docs || strings.Join(notes, "\n") != want.note || slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "WRONG") }) {
			t.Errorf("%s: %d documents, %q", name, len(texts), notes)
		}
	}
	_, _, err := ReadSources(context.Background(), []Source{{Path: filepath.Join(dir, "utf16.jsonl")}}, Reading{})
	wantError(t, "UTF-16", err, "data: ", "utf16.jsonl is not text: it is UTF-16, UTF-8 is needed", "\nhint: iconv")
}

func TestParquet(t *testing.T) {
	dir := t.TempDir()
	type row struct {
		Text    *string `parquet:"text,optional"`
		Content string  `parquet:"content,zstd"`
	}
	text := "one"
	var table bytes.Buffer
	if err := parquet.Write(&table, []row{{&text, "first"}, {nil, "second"}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "t.parquet"), table.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	texts, notes := readTexts(t, Reading{}, dir, "t.parquet")
	if !slices.Equal(texts, []string{"one"}) || !slices.Equal(notes, []string{"data: left out 1 of 2 rows, the first is t.parquet#1: the column is null"}) {
		t.Errorf("%q, %q", texts, notes)
	}
	if texts, _ := readTexts(t, Reading{Column: "content"}, dir, "."); !slices.Equal(texts, []string{"first", "second"}) {
		t.Errorf("%q", texts)
	}
	_, _, err := ReadSources(context.Background(), []Source{{Path: filepath.Join(dir, "t.parquet")}}, Reading{Column: "body"})
	wantError(t, "no column", err, `t.parquet: no column "body"`, "hint: it has text, content; name one with --column, to train with data.column")
}

func TestDocumentSeparator(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.txt":    "one\n<|endoftext|>\ntwo\nmore\n<|endoftext|>\n",
		"b.jsonl":  "{\"text\":\"three<|endoftext|>four\"}\n",
		"c.txt.gz": "<|endoftext|>\n\nfive",
	})
	texts, notes := readTexts(t, Reading{Separator: tokenizer.EndOfText}, dir, ".")
	if want := []string{"one", "two\nmore", "three", "four", "five"}; !slices.Equal(texts, want) || len(notes) != 0 {
		t.Errorf("%q, %q", texts, notes)
	}
	texts, notes = readTexts(t, Reading{}, dir, ".")
	if len(texts) != 3 || !slices.Equal(notes, []string{"data: the text holds <|endoftext|> 4 times; --document-separator '<|endoftext|>' makes documents of what lies between"}) {
		t.Errorf("%q, %q", texts, notes)
	}
	config := testConfig(filepath.Join(dir, "a.txt"))
	config.Tokenizer, config.Seq, config.DocumentSeparator, config.HeldoutFraction = TokenizerBytes, 2, tokenizer.EndOfText, 0.2
	set, err := Load(context.Background(), config, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if set.Read.Documents != 2 || set.Heldout.Bytes() != 3 || set.Train.Bytes() != 8 {
		t.Errorf("%+v, %d and %d bytes", set.Read, set.Train.Bytes(), set.Heldout.Bytes())
	}
}

// A run's own folder is not text, and its checkpoints do not become text.
func TestLeaveOut(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.txt": strings.Repeat("text\n", 100), "runs/one/metrics.jsonl": "{}\n", "runs/one/tokenizer.json": "{}", "runs/two.txt": strings.Repeat("two\n", 100)})
	config := testConfig(dir)
	config.Tokenizer = TokenizerBytes
	set, err := Load(context.Background(), config, LoadOptions{LeaveOut: []string{filepath.Join(dir, "runs", "one")}})
	if err != nil {
		t.Fatal(err)
	}
	if set.Read.Files != 2 || set.Read.Bytes != 900 || len(set.Notes) != 1 || !strings.Contains(set.Notes[0], "held out") {
		t.Errorf("%+v, %q", set.Read, set.Notes)
	}
}

// Text for which memory has no room is an error that names the file and the limit.
func TestMaxText(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.txt": strings.Repeat("a", 600), "b.txt": strings.Repeat("b", 600), "c.gz": strings.Repeat("c", 5000), "d.jsonl": strings.Repeat("{\"text\": \"ddddd\"}\n", 300)})
	for _, c := range []struct{ path, names string }{{".", "b.txt: "}, {"c.gz", "c.gz: "}, {"d.jsonl", "d.jsonl:"}} {
		_, _, err := ReadSources(context.Background(), []Source{{Path: filepath.Join(dir, c.path)}}, Reading{MaxText: 1000})
		wantError(t, c.path, err, c.names, "the text is larger than memory has room for, 1e-06 GB", "hint: mobilellm-data tokenize")
		if !errors.Is(err, ingest.ErrMemory) {
			t.Error(err)
		}
	}
	if texts, _ := readTexts(t, Reading{MaxText: 10_000}, dir, "."); len(texts) != 303 {
		t.Errorf("%d documents", len(texts))
	}
}

// Names come without control characters in errors and notes.
func TestNamesAreClean(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"x\x1b[31m\n.txt": "", "y\x1b[31m.txt": "fine", "z\x1b.jsonl": "{\"\\u001b\x1b\": 1}\n", "u\x1b.jsonl": "{\"text\": 5}\n{\"text\": \"fine\"}\n",
		"v\x1b.txt": "caf\xe9", "w\x1b.gz": "",
	})
	_, notes := readTexts(t, Reading{}, dir, ".")
	all := strings.Join(notes, "")
	for _, name := range []string{"x\x1b[31m\n.txt", "z\x1b.jsonl", "gone\x1b.txt", "*\x1b"} {
		_, _, err := ReadSources(context.Background(), []Source{{Path: filepath.Join(dir, name)}}, Reading{})
		if err == nil {
			t.Errorf("%q was read", name)
			continue
		}
		all += strings.ReplaceAll(err.Error(), "\nhint: ", "")
	}
	if strings.ContainsFunc(all, func(r rune) bool { return r < ' ' }) || strings.Count(all, `\x1b`) < 8 {
		t.Errorf("%q", all)
	}
}

// A line of ids that cannot be read is counted as one of text is.
func TestBadLinesOfIDs(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"base/1/a.jsonl": "{\"token_ids\": [30, 31]}\n{\"token_ids\": null}\n{\"other\": 1}\n{\"token_ids\": [32]}\n",
		"bad/1/a.jsonl":  "{\"x\": 1, \"not\": \"token_ids\"\n",
		"held.txt":       "held out",
	})
	config := testConfig(filepath.Join(dir, "base"))
	config.Tokenizer, config.Seq, config.Heldout = TokenizerBytes, 2, Texts(filepath.Join(dir, "held.txt"))
	set, err := Load(context.Background(), config, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(set.Train); !slices.Equal(got, []int32{30, 31, 32}) {
		t.Errorf("%v", got)
	}
	if len(set.Notes) != 1 || !strings.Contains(set.Notes[0], "left out 2 of 4 lines, the first is ") || !strings.Contains(set.Notes[0], "a.jsonl:2: field \"token_ids\" is no list of ids") {
		t.Errorf("%q", set.Notes)
	}
	config.Train[0].Path = filepath.Join(dir, "bad")
	_, err = Load(context.Background(), config, LoadOptions{})
	wantError(t, "no good line", err, "a.jsonl holds no document: 1 of 1 lines cannot be read")
}
