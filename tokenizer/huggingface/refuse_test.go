package huggingface

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// changed is a file of testdata with other top-level values.
func changedFile(t *testing.T, name, change string) (*File, error) {
	t.Helper()
	raw, err := os.ReadFile("testdata/huggingface/" + name + "/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	var all, values map[string]json.RawMessage
	for text, into := range map[string]*map[string]json.RawMessage{string(raw): &all, change: &values} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%s: %v", change, err)
		}
	}
	for key, value := range values {
		all[key] = value
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(text)
}

// What would change the ids in a way that is not known here is refused by name.
func TestRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ change, want string }{
		"word level":         {`{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}`, `model.type "WordLevel", want "BPE" or "Unigram"`},
		"untyped word level": {`{"model": {"vocab": {"a": 0}, "unk_token": "a"}}`, `model.type "WordLevel"`},
		"untyped word piece": {`{"model": {"vocab": {"a": 0}, "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}}`, `model.type "WordPiece"`},
		"dropout":            {`{"model": {"type": "BPE", "dropout": 0.1, "vocab": {}, "merges": []}}`, "model.dropout 0.1"},
		"subword prefix":     {`{"model": {"type": "BPE", "continuing_subword_prefix": "##", "vocab": {}, "merges": []}}`, `model.continuing_subword_prefix "##"`},
		"word suffix":        {`{"model": {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {}, "merges": []}}`, `model.end_of_word_suffix "</w>"`},
		"no unknown token":   {`{"model": {"type": "BPE", "unk_token": "?", "vocab": {"a": 0}, "merges": []}}`, `model.unk_token "?" is not in model.vocab`},
		"unigram unknown":    {`{"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}`, "Unigram without unk_id"},
		"normalizer":         {`{"normalizer": {"type": "BertNormalizer"}}`, "normalizer BertNormalizer: unknown tokenizer kind: not known"},
		"replaced pattern":   {`{"normalizer": {"type": "Replace", "pattern": {"Regex": "\\K"}, "content": ""}}`, `normalizer Replace: unknown tokenizer kind: pattern "\\K" at byte 1: unknown escape \K`},
		"replaced nothing":   {`{"normalizer": {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"Regex": "^"}, "content": "x"}, {"type": "NFC"}]}}`, "normalizer NFC: unknown tokenizer kind: behind a Replace of what may be empty"},
		"no rules":           {`{"normalizer": {"type": "Precompiled"}}`, "without precompiled_charsmap"},
		"pre-tokenizer":      {`{"pre_tokenizer": {"type": "UnicodeScripts"}}`, "pre_tokenizer UnicodeScripts: unknown tokenizer kind: not known"},
		"scheme":             {`{"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "last"}}`, `prepend_scheme "last"`},
		"replacement":        {`{"pre_tokenizer": {"type": "Metaspace", "replacement": "__"}}`, `replacement "__"`},
		"behavior":           {`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Merged"}}`, `pre_tokenizer Split: unknown tokenizer kind: behavior "Merged"`},
		"no pattern":         {`{"pre_tokenizer": {"type": "Split", "behavior": "Isolated"}}`, "without a pattern"},
		"decoder":            {`{"decoder": {"type": "WordPiece"}}`, "decoder WordPiece: unknown tokenizer kind: not known"},
		"decoder's end":      {`{"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 1}]}}`, "decoder Strip: unknown tokenizer kind: of the end of a text"},
		"decoder's order":    {`{"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}}`, "decoder ByteFallback: unknown tokenizer kind: not known behind"},
		"decoder's pattern":  {`{"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "ab"}, "content": ""}]}}`, "decoder Replace: unknown tokenizer kind: of more than a character"},
	} {
		f, err := changedFile(t, "metaspace-first", tt.change)
		if err == nil {
			_, err = New(f)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, ErrKind) {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
}

// What is wrong with a file, of whatever kind it is.
func TestMalformed(t *testing.T) {
	for name, tt := range map[string]struct{ change, want string }{
		"list of BPE":       {`{"model": {"type": "BPE", "vocab": [["a", 0]], "merges": []}}`, "model.vocab is not of model.type BPE"},
		"piece":             {`{"model": {"type": "Unigram", "vocab": [["a"]]}}`, `vocab: ["a"]: want a text and its score`},
		"unknown piece":     {`{"model": {"type": "Unigram", "unk_id": 7, "vocab": [["a", 0]]}}`, "model.unk_id 7 is outside the vocabulary of 1"},
		"merge":             {`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]}}`, `merge "a b c": want two tokens`},
		"merge of nothing":  {`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "a"]]}}`, `merge 0: token "aa" is not in the vocabulary`},
		"one id twice":      {`{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}`, "share id 0"},
		"no vocabulary":     {`{"model": {"type": "BPE", "merges": []}, "added_tokens": [{"id": 0, "content": "a"}]}`, "model.vocab is missing"},
		"large id":          {`{"model": {"type": "BPE", "vocab": {"a": 99999999}, "merges": []}, "added_tokens": []}`, `token "a" has id 99999999`},
		"normalized twice":  {`{"normalizer": {"type": "Lowercase"}, "added_tokens": [{"content": "A", "normalized": true}, {"content": "a", "normalized": true}]}`, `are both "a" when normalized`},
		"normalized away":   {`{"normalizer": {"type": "Strip"}, "added_tokens": [{"content": " ", "normalized": true}]}`, "is normalized to nothing"},
		"long added token":  {`{"added_tokens": [{"content": "` + strings.Repeat("a", 2000) + `"}]}`, "has 2000 bytes, more than 256"},
		"long piece":        {`{"added_tokens": [], "model": {"type": "Unigram", "unk_id": 0, "vocab": [["` + strings.Repeat("a", 2000) + `", 0]]}}`, "has 2000 bytes, more than 256"},
		"long replacement":  {`{"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "` + strings.Repeat("b", 2000) + `"}}`, "a text may become more than 256 times as long"},
		"long prefix":       {`{"normalizer": {"type": "Prepend", "prepend": "` + strings.Repeat("b", 2000) + `"}}`, "a text may become more than 256 times as long"},
		"many replacements": {`{"normalizer": {"type": "Sequence", "normalizers": [` + strings.Repeat(`{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"},`, 30) + `{"type": "NFC"}]}}`, "a text may become more than 256 times as long"},
		"long decoding":     {`{"decoder": {"type": "Replace", "pattern": {"String": "a"}, "content": "` + strings.Repeat("b", 2000) + `"}}`, "a text may become more than 256 times as long"},
		"large pattern":     {`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?:(?:ab){99}){99}"}, "behavior": "Isolated"}}`, "more than 2000 steps"},
		"deep pattern":      {`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "` + strings.Repeat("(", 999) + strings.Repeat(")", 999) + `"}, "behavior": "Isolated"}}`, "nested deeper than 100"},
		"broken rules":      {`{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}`, "broken precompiled_charsmap"},
	} {
		f, err := changedFile(t, "metaspace-first", tt.change)
		if err == nil {
			_, err = New(f)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500 {
			t.Errorf("%s: error %.300v, want %s", name, err, tt.want)
		}
	}
}
