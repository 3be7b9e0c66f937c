package huggingface

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
		f, err := Parse(text)
		if err == nil {
			_, err = New(f)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
}
