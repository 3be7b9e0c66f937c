package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rows that huggingface/testdata/huggingface.py got from the tokenizers library; the
// folder huggingface-more, which it writes for fuzzing, is not kept.
func TestHuggingFaceIDs(t *testing.T) {
	files, err := filepath.Glob("huggingface/testdata/huggingface*/*/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 13 {
		t.Fatalf("%d golden files, want 13 or more", len(files))
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			tok, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			z, err := gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			var rows []struct {
				Text    string
				IDs     []int32
				Decoded string
			}
			if err := json.NewDecoder(z).Decode(&rows); err != nil {
				t.Fatal(err)
			}
			if len(rows) < 150 {
				t.Fatalf("%d rows", len(rows))
			}
			wrong := 0
			for _, row := range rows {
				text := []byte(row.Text)
				got := tok.Encode(text)
				if !slices.Equal(got, row.IDs) {
					if wrong++; wrong < 10 {
						t.Errorf("%q: %v, want %v", row.Text, got, row.IDs)
					}
				}
				if got := strings.ToValidUTF8(string(tok.Decode(row.IDs)), "\ufffd"); got != row.Decoded {
					t.Errorf("decoding %v: %q, want %q", row.IDs, got, row.Decoded)
				}
				var stream []byte
				d := tok.NewDecoder()
				for _, id := range row.IDs {
					stream = d.Append(stream, id)
				}
				if stream = d.Flush(stream); string(stream) != string(tok.Decode(row.IDs)) {
					t.Errorf("decoding %v one by one: %q, want %q", row.IDs, stream, tok.Decode(row.IDs))
				}
				for at := tok.Cut(text, 1); at < len(text); at = tok.Cut(text, at+1) {
					parts := tok.AppendPart(tok.AppendPart(nil, text[:at], Part{First: true}), text[at:], Part{Last: true})
					if !slices.Equal(parts, got) {
						t.Errorf("%q cut at %d: %v, want %v", text, at, parts, got)
					}
				}
			}
		})
	}
}

func TestHuggingFaceSave(t *testing.T) {
	tok, err := Load("huggingface/testdata/huggingface/qwen")
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := tok.Special().End(); !ok || string(tok.Decode([]int32{id})) != EndOfText {
		t.Errorf("EOS is %d, %v", id, ok)
	}
	dir := t.TempDir()
	if err := tok.Save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Fingerprint() != tok.Fingerprint() {
		t.Error("a saved tokenizer has another fingerprint")
	}
	if err := os.WriteFile(filepath.Join(dir, "special_tokens_map.json"), []byte(`{"eos_token": {"content": "<|im_end|>"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(`{"bos_token": null}`), 0o644); err != nil {
		t.Fatal(err)
	}
	other, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := other.Special().End(); string(other.Decode([]int32{id})) != "<|im_end|>" || other.Fingerprint() == tok.Fingerprint() {
		t.Errorf("EOS is %q", other.Decode([]int32{id}))
	}
}

// A blank that encoding puts before a text is none of the text's bytes.
func TestTextBytes(t *testing.T) {
	for _, name := range []string{"llama2", "metaspace-first", "metaspace-never"} {
		tok, err := Load("huggingface/testdata/huggingface/" + name)
		if err != nil {
			t.Fatal(err)
		}
		const text = "the quick brown fox\n日本"
		lengths, prefix := tok.TextBytes()
		size := -prefix
		for _, id := range tok.Encode([]byte(text)) {
			size += int(lengths[id])
		}
		if size != len(text) {
			t.Errorf("%s: %d bytes, want %d", name, size, len(text))
		}
	}
}
