package vocab

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pieces is bytes and a few pieces.
func pieces() *Vocabulary {
	v := &Vocabulary{Kind: SentencePiece, Unknown: 0, BOS: 1, EOS: 2, AddPrefix: true}
	v.Tokens = []Token{{"<unk>", 0, Unknown}, {"<s>", 0, Control}, {"</s>", 0, Control}}
	for b := range 256 {
		const digits = "0123456789ABCDEF"
		v.Tokens = append(v.Tokens, Token{"<0x" + string([]byte{digits[b>>4], digits[b&15]}) + ">", 0, Byte})
	}
	for i, text := range []string{"he", "th", "the", "t", "h", "e"} {
		v.Tokens = append(v.Tokens, Token{text, -float32(i), Normal})
	}
	return v
}

func TestModelRoundTrip(t *testing.T) {
	want := pieces()
	raw, err := want.marshalModel()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseModel(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Tokens, want.Tokens) || got.BOS != 1 || got.EOS != 2 || got.Unknown != 0 || !got.AddPrefix || got.RemoveExtraBlanks {
		t.Errorf("came back as %+v", got)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	want := pieces()
	raw, err := want.marshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != SentencePiece || got.BOS != 1 || got.EOS != 2 || got.Unknown != 0 || !got.AddPrefix {
		t.Errorf("came back as %+v", got)
	}
	for id, w := range want.Tokens {
		if g := got.Tokens[id]; g.Text != w.Text || g.Type != w.Type {
			t.Errorf("token %d is %+v, want %+v", id, g, w)
		}
	}
	// By score: he, th, then the, whose longer left part comes first.
	if wantMerges := [][2]string{{"h", "e"}, {"t", "h"}, {"th", "e"}, {"t", "he"}}; !slices.Equal(want.merges(), wantMerges) {
		t.Errorf("merges %v, want %v", want.merges(), wantMerges)
	}
	if the, he := got.Tokens[261], got.Tokens[259]; the.Score >= he.Score {
		t.Errorf("%+v goes before %+v", the, he)
	}
}

func TestByteLevelRoundTrip(t *testing.T) {
	for _, pattern := range []string{"", GPT2Pattern, Llama3Pattern} {
		want := &Vocabulary{Kind: ByteLevel, Pattern: pattern, BOS: 3, EOS: 3, Unknown: -1, Merges: [][2]string{{"a", "b"}}}
		want.Tokens = []Token{{"a", 0, Normal}, {"b", 0, Normal}, {"ab", 0, Normal}, {"<|endoftext|>", 0, Control}}
		raw, err := want.marshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseJSON(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind != ByteLevel || got.Pattern != pattern || got.BOS != 3 || got.EOS != 3 ||
			!slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.Merges, want.Merges) {
			t.Errorf("pattern %q came back as %+v", pattern, got)
		}
	}
}

// Every file of a folder is written, and what the folder had is kept as it was.
func TestSaveFolder(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	if err := pieces().SaveFolder(first); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"} {
		raw, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(raw) {
			t.Errorf("%s is no JSON: %s", name, raw)
		}
	}
	const config = `{"tokenizer_class": "LlamaTokenizer", "mine": true}`
	if err := os.WriteFile(filepath.Join(first, "tokenizer_config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := FromFolder(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SaveFolder(second); err != nil {
		t.Fatal(err)
	}
	for _, name := range tokenizerFiles[:4] {
		a, _ := os.ReadFile(filepath.Join(first, name))
		b, err := os.ReadFile(filepath.Join(second, name))
		if err != nil || string(a) != string(b) {
			t.Errorf("%s changed on its way: %v", name, err)
		}
	}
	if v, err := FromFolder(t.TempDir()); v != nil || err != nil {
		t.Errorf("an empty folder has vocabulary %v, %v", v, err)
	}
}

// A tokenizer.json that is added is used: its class reads it as it is.
func TestAddedJSON(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	raw, err := pieces().marshalModel()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"tokenizer.model": string(raw), "tokenizer_config.json": `{"tokenizer_class": "LlamaTokenizer", "chat_template": "<b>"}`,
	} {
		if err := os.WriteFile(filepath.Join(first, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := FromFolder(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SaveFolder(second); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(second, "tokenizer_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(config); !strings.Contains(s, "PreTrainedTokenizerFast") || !strings.Contains(s, `"chat_template": "<b>"`) {
		t.Errorf("tokenizer_config.json is %s", s)
	}
	if _, err := os.Stat(filepath.Join(second, "tokenizer.json")); err != nil {
		t.Error(err)
	}
}

func TestMalformed(t *testing.T) {
	for _, tt := range []struct{ json, want string }{
		{`{`, "unexpected end"},
		{`{"model":{"type":"Unigram"}}`, `model.type "Unigram" is not supported`},
		{`{"model":{"type":"BPE","vocab":{"a":0,"b":0}}}`, "both have id 0"},
		{`{"model":{"type":"BPE","vocab":{"a":7}}}`, `token "a" has id 7`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}`, `merge "ab" has no blank`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}`, "a merge is not a pair"},
		{`{"model":{"type":"BPE","vocab":{"a":0}}}`, "does not end in ByteLevel"},
		{`{"model":{"type":"BPE","vocab":{"a":0}},"added_tokens":[{"id":0,"content":"b"}]}`, `added token "b" has the id 0`},
		{`{"model":{"type":"BPE","byte_fallback":true,"vocab":{"a":0}},"normalizer":{"type":"NFKC"}}`, "normalizer NFKC is not supported"},
	} {
		if _, err := ParseJSON([]byte(tt.json)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.json, err, tt.want)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, v := range []*Vocabulary{
		pieces(),
		{Kind: ByteLevel, Pattern: Llama3Pattern, Tokens: []Token{{"a", 0, Normal}}, BOS: -1, EOS: -1, Unknown: -1},
	} {
		raw, err := v.marshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := ParseJSON(raw)
		if err != nil {
			return
		}
		if _, err := v.marshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
}
