package ingest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// tableRow has what Hugging Face's tables have: nested columns, lists, nulls.
type tableRow struct {
	ID      string  `parquet:"id"`
	Label   int64   `parquet:"label"`
	Answer  *bool   `parquet:"answer,optional"`
	Score   float64 `parquet:"score"`
	Choices struct {
		Text  []string `parquet:"text,list"`
		Label []string `parquet:"label,list"`
	} `parquet:"choices"`
}

func writeTable(t *testing.T, name string, rows []tableRow) {
	t.Helper()
	var table bytes.Buffer
	w := parquet.NewGenericWriter[tableRow](&table)
	_, err := w.Write(rows)
	if err = errors.Join(err, w.Close(), os.WriteFile(name, table.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestRows(t *testing.T) {
	yes := true
	rows := make([]tableRow, 2)
	rows[0].ID, rows[0].Label, rows[0].Answer = "é", -3, &yes
	rows[0].Choices.Text, rows[0].Choices.Label = []string{"x", "", "\"y\""}, []string{"A", "B", "C"}
	rows[1].Score = 0.5
	name := filepath.Join(t.TempDir(), "a.parquet")
	writeTable(t, name, rows)
	in, err := Open(name, Options{Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for i, want := range []map[string]any{
		{
			"id": "é", "label": -3.0, "answer": true, "score": 0.0,
			"choices": map[string]any{"text": []any{"x", "", "\"y\""}, "label": []any{"A", "B", "C"}},
		},
		{"id": "", "label": 0.0, "answer": nil, "score": 0.5, "choices": map[string]any{"text": []any{}, "label": []any{}}},
	} {
		record, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		got, err := record.Object()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("row %d is %v, %v, want %v", i, got, err, want)
		}
		if want := name + []string{"#0", "#1"}[i]; record.Name != want {
			t.Errorf("row %d is called %s, want %s", i, record.Name, want)
		}
	}
	if _, err := in.Next(); err != io.EOF {
		t.Errorf("after the last row: %v", err)
	}
}

func TestBadRows(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.parquet")
	rows := []tableRow{{ID: "a\xff"}, {ID: "b"}}
	writeTable(t, name, rows)
	in, err := Open(name, Options{Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	record, err := in.Next()
	if err != nil || !errors.Is(record.Err, ErrUTF8) {
		t.Errorf("broken UTF-8: %v, %v", record.Err, err)
	}
	if record, err = in.Next(); err != nil || record.Err != nil {
		t.Errorf("the row behind it: %v, %v", record.Err, err)
	}
	limited, err := Open(name, Options{Rows: true, Limits: Limits{Document: 20, Unpacked: 1 << 20, Ratio: 200}})
	if err != nil {
		t.Fatal(err)
	}
	defer limited.Close()
	if _, err := limited.Next(); err != nil {
		t.Fatal(err)
	}
	if record, err := limited.Next(); err != nil || !errors.Is(record.Err, ErrDocument) {
		t.Errorf("a row that is too long: %v, %v", record.Err, err)
	}
	text, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, text[:len(text)/2], 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name, Options{Rows: true}); err == nil || !strings.Contains(err.Error(), "a.parquet: broken parquet file") {
		t.Errorf("half a file: %v", err)
	}
}

func TestObject(t *testing.T) {
	for text, want := range map[string]any{
		`{"a": [1, -2.5e1, true, false, null, {"b": []}], "\u0061b": "\u00e9\n"}`: map[string]any{
			"a": []any{1.0, -25.0, true, false, nil, map[string]any{"b": []any{}}}, "ab": "é\n",
		},
		` {"a": 1, "a": 2} `: map[string]any{"a": 2.0},
		`{}`:                 map[string]any{},
	} {
		got, err := Record{Text: []byte(text)}.Object()
		if err != nil || !reflect.DeepEqual(any(got), want) {
			t.Errorf("%s is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{``, `{`, `[]`, `"a"`, `{"a": 1} x`, "{\"a\": \"\xff\"}", `{"a": nul}`} {
		if got, err := (Record{Text: []byte(text)}).Object(); !errors.Is(err, ErrDocument) {
			t.Errorf("%s is %v, %v, want an unreadable document", text, got, err)
		}
	}
	failed := errors.New("failed")
	if _, err := (Record{Err: failed}).Object(); err != failed {
		t.Errorf("a record that failed: %v", err)
	}
}
