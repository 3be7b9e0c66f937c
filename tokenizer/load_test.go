package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadErrors(t *testing.T) {
	good, err := os.ReadFile("bpe/testdata/bpe/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, text string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("bpe/testdata/bpe/tokenizer.json has no %s", old)
		}
		return strings.Replace(string(good), old, text, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"sentencepiece", "\n\x0e\n\x05<unk>", "unknown tokenizer kind: not a tokenizer.json"},
		{"cut short", string(good[:200]), "unexpected end of JSON input"},
		{"word piece", change(`"type": "BPE"`, `"type": "WordPiece"`), `unknown tokenizer kind: model.type "WordPiece", want "BPE"`},
		{"normalizer", change(`"normalizer": null`, `"normalizer": {"type":"BertNormalizer"}`), `normalizer BertNormalizer: unknown tokenizer kind`},
		{"replaced pattern", change(`"normalizer": null`, `"normalizer": {"type":"Replace","pattern":{"Regex":"a"}}`), `normalizer Replace: unknown tokenizer kind: without content`},
		{"merge of nothing", change("\"merges\": [\n      [\n        \"", "\"merges\": [\n      [\n        \"qqq"), `merge 0: token "qqq`},
		{"id twice", change(`"Ā": 0`, `"Ā": 1`), "share id"},
	} {
		path := filepath.Join(t.TempDir(), "tokenizer.json")
		text := c.text
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		wantError(t, c.name, err, path, c.want)
	}
	_, err = Load(filepath.Join("testdata", "nowhere"))
	wantError(t, "missing", err, "nowhere does not exist", "hint: ")
	_, err = Load(t.TempDir())
	wantError(t, "empty folder", err, "tokenizer.json")
}

// wantError fails the test unless err has all the parts.
func wantError(t *testing.T, name string, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %q", name, parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: error %q does not say %q", name, err, part)
		}
	}
}
