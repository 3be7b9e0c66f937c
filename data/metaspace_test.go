package data

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// What a tokenizer.json with byte_fallback may say otherwise than SentencePiece
// is refused by name.
func TestMetaspaceRefuses(t *testing.T) {
	raw, err := os.ReadFile("testdata/huggingface/metaspace-first/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ change, want string }{
		"scheme":         {`{"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "last"}}`, `prepend_scheme "last"`},
		"replacement":    {`{"pre_tokenizer": {"type": "Metaspace", "replacement": "_"}}`, "pre_tokenizer Metaspace _"},
		"decoder":        {`{"decoder": {"type": "ByteLevel"}}`, "decoder is not Replace, ByteFallback, Fuse"},
		"decoder's end":  {`{"decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 0}]}}`, "decoder is not"},
		"missing bytes":  {`{"model": {"type": "BPE", "byte_fallback": true, "vocab": {"a": 0}, "merges": []}, "added_tokens": []}`, "byte 0x00 has no token"},
		"ignored merges": {`{"model": {"type": "BPE", "byte_fallback": true, "ignore_merges": true}}`, "model.byte_fallback with model.ignore_merges"},
	} {
		var file, change map[string]json.RawMessage
		for text, into := range map[string]*map[string]json.RawMessage{string(raw): &file, tt.change: &change} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		for key, value := range change {
			file[key] = value
		}
		text, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := loadHuggingFace(text, t.TempDir()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
}

// A blank that encoding puts before a text is none of the text's bytes.
func TestMetaspaceTokenBytes(t *testing.T) {
	for _, name := range []string{"llama2", "metaspace-first", "metaspace-never"} {
		tok, err := LoadTokenizer("testdata/huggingface/" + name)
		if err != nil {
			t.Fatal(err)
		}
		const text = "the quick brown fox\n日本"
		m := newMemory(tok)
		size := -int(m.prefix)
		for _, id := range tok.Encode([]byte(text)) {
			size += int(m.tokenBytes[id])
		}
		if size != len(text) {
			t.Errorf("%s: %d bytes, want %d", name, size, len(text))
		}
	}
}
