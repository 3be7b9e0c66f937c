package tokenizer

import (
	"encoding/json"
	"os"
	"testing"
)

// BOS, EOS and PAD are those that transformers takes by the same files; testdata/special.py
// wrote them.
func TestSpecialOfTransformers(t *testing.T) {
	raw, err := os.ReadFile("testdata/special.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Tokenizer json.RawMessage
		Rows      []struct {
			Files         map[string]json.RawMessage
			BOS, EOS, PAD *int32
		}
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Rows) < 35 {
		t.Fatalf("%d rows", len(table.Rows))
	}
	for _, row := range table.Rows {
		files := Files{JSONFile: table.Tokenizer}
		for name, content := range row.Files {
			files[name] = content
		}
		tok, err := FromFiles(files)
		if err != nil {
			t.Fatal(err)
		}
		s := tok.Special()
		for _, token := range []struct {
			name string
			got  int32
			want *int32
		}{{"bos", s.BOS, row.BOS}, {"eos", s.end(), row.EOS}, {"pad", s.PAD, row.PAD}} {
			want := int32(None)
			if token.want != nil {
				want = *token.want
			}
			if token.got != want {
				t.Errorf("%s is %d, want %d, by %s", token.name, token.got, want, row.Files)
			}
		}
	}
}
