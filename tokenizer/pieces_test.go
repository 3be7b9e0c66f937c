package tokenizer

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"mobilellm/tokenizer/sentencepiece"
)

func loadPieces(t *testing.T, name string) *Tokenizer {
	t.Helper()
	f, err := os.Open(filepath.Join("sentencepiece", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	m, err := sentencepiece.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := FromModel(m)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// A folder has what Hugging Face's tools need for the ids of SentencePiece;
// interop/ runs them on it. Rules of normalisation have no place in
// tokenizer.json, so such a model goes without.
func TestPiecesSave(t *testing.T) {
	for _, tt := range []struct {
		name, class string
		json        bool
	}{
		{"trained.model.gz", "PreTrainedTokenizerFast", true},
		{"nfkc.model.gz", "LlamaTokenizer", false},
	} {
		p := loadPieces(t, tt.name)
		dir := t.TempDir()
		if err := p.Save(dir); err != nil {
			t.Fatal(err)
		}
		model, err := os.ReadFile(filepath.Join(dir, "tokenizer.model"))
		if err != nil || !bytes.Equal(model, p.files[ModelFile]) {
			t.Errorf("%s: tokenizer.model is not as it was read: %v", tt.name, err)
		}
		if got := exists(filepath.Join(dir, "tokenizer.json")); got != tt.json {
			t.Errorf("%s: tokenizer.json: %v, want %v", tt.name, got, tt.json)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var config struct {
			Class string `json:"tokenizer_class"`
			BOS   bool   `json:"add_bos_token"`
		}
		if err := json.Unmarshal(raw, &config); err != nil || config.Class != tt.class || !config.BOS {
			t.Errorf("%s: tokenizer_config.json is %s (%v)", tt.name, raw, err)
		}
		again, err := Load(dir)
		if err != nil || again.Fingerprint() != p.Fingerprint() {
			t.Errorf("%s: loads as another tokenizer: %v", tt.name, err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
