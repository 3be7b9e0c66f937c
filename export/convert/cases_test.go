package convert

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mobilellm/checkpoint/gguf"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/export"
	"mobilellm/export/exporttest"
	"mobilellm/tokenizer"
)

// tokenCases are folders as people have them (testdata/cases: tokenizer files of our
// own making, after public reports), and what their GGUF must say.
var tokenCases = []struct {
	name     string
	vocab    int // where there is no config.json
	metadata map[string]any
	notes    []string // of the GGUF
}{
	{name: "smollm", metadata: map[string]any{ // Digits, then GPT-2's words; no post-processor
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.bos_token_id": uint32(1),
		"tokenizer.ggml.eos_token_id": uint32(2), "tokenizer.ggml.eot_token_id": uint32(2), "tokenizer.ggml.add_bos_token": false,
		"tokenizer.ggml.add_eos_token": false, "tokenizer.ggml.padding_token_id": nil, "tokenizer.chat_template": nil,
	}},
	{name: "qwen", metadata: map[string]any{ // no BOS, which is not token 11
		"tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.bos_token_id": uint32(2), "tokenizer.ggml.eos_token_id": uint32(2),
		"tokenizer.ggml.add_bos_token": false, "mobilellm.tokenizer.bos_token_id": int64(-1),
	}, notes: []string{"llama.cpp does not normalise text, the tokenizer does (NFC)"}},
	{name: "chatml", metadata: map[string]any{ // <|endoftext|> is neither
		"tokenizer.ggml.pre": "smaug-bpe", "tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.eos_token_id": uint32(2), "tokenizer.ggml.add_bos_token": false,
	}},
	{name: "spadd", metadata: map[string]any{ // tokens that tokenizer.model lacks
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default", "tokenizer.ggml.bos_token_id": uint32(1),
		"tokenizer.ggml.eos_token_id": uint32(421), "tokenizer.ggml.unknown_token_id": uint32(0), "tokenizer.ggml.add_bos_token": true,
		"tokenizer.ggml.add_space_prefix": true,
	}},
	{name: "qt", vocab: 405, metadata: map[string]any{
		"tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.eos_token_id": uint32(2), "tokenizer.ggml.padding_token_id": uint32(0),
		"tokenizer.chat_template": "{% for m in messages %}<|im_start|>{{m.role}}\n{{m.content}}<|im_end|>\n{% endfor %}",
	}, notes: []string{"NFC"}},
	{name: "padded", metadata: map[string]any{ // a tokenizer of 410 for a model of 409
		"tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(1),
		"tokenizer.ggml.padding_token_id": nil, "tokenizer.ggml.add_bos_token": false,
	}, notes: []string{`the tokenizer has 410 ids, the model 409: 409 ("<pad>") has no place in it`}},
	{name: "no-alphabet", vocab: 225, metadata: map[string]any{
		"tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(0),
	}, notes: []string{"bytes have no token"}},
	{name: "untyped", vocab: 260, metadata: map[string]any{
		"tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.eos_token_id": uint32(0), "tokenizer.ggml.add_bos_token": false,
	}},
}

func TestTokenCases(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	for _, tt := range tokenCases {
		t.Run(tt.name, func(t *testing.T) {
			m := caseModel(t, tt.name, tt.vocab)
			for _, format := range []Format{HF, GGUF, ONNX, Llama2c} {
				out := filepath.Join(t.TempDir(), "out."+string(format))
				_, notes, err := Write(m, Options{Format: format, Out: out})
				if err != nil {
					t.Errorf("%s: %v", format, err)
					continue
				}
				r, err := Verify(m, out, dev, 8)
				if err != nil {
					t.Errorf("%s: %v", format, err)
				}
				switch format {
				case HF:
					sameCaseFiles(t, filepath.Join("testdata", "cases", tt.name), out)
				case GGUF:
					if r.Special == nil || r.Texts < m.Config.VocabSize-10 {
						t.Errorf("%d texts were compared, special tokens %v", r.Texts, r.Special)
					}
					checkMetadata(t, out, tt.metadata)
					if !slices.EqualFunc(notes, tt.notes, strings.Contains) {
						t.Errorf("notes %q, want %q", notes, tt.notes)
					}
					throughGGUF(t, dev, m, out)
				}
			}
		})
	}
}

// caseModel is a model of drawn weights in a folder with a case's files.
func caseModel(t *testing.T, name string, vocab int) *export.Model {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := exporttest.Folder(dir, filepath.Join("testdata", "cases", name), vocab); err != nil {
		t.Fatal(err)
	}
	m, err := export.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sameCaseFiles fails the test unless the source's files are there to the byte; only
// config.json is written anew.
func sameCaseFiles(t *testing.T, source, dir string) {
	t.Helper()
	entries, err := os.ReadDir(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want, errWant := os.ReadFile(filepath.Join(source, e.Name()))
		got, errGot := os.ReadFile(filepath.Join(dir, e.Name()))
		if e.Name() != "config.json" && (errWant != nil || errGot != nil || !bytes.Equal(want, got)) {
			t.Errorf("%s changed on its way: %v %v", e.Name(), errWant, errGot)
		}
	}
}

func checkMetadata(t *testing.T, path string, want map[string]any) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for key, value := range want {
		if got := f.Metadata[key]; !reflect.DeepEqual(got, value) {
			t.Errorf("%s is %#v, want %#v", key, got, value)
		}
	}
}

// throughGGUF takes a file back to a folder, which must have the model's tokens too.
func throughGGUF(t *testing.T, dev engine.Device, m *export.Model, path string) {
	t.Helper()
	back, err := Read(path, "")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "back")
	if _, _, err := Write(back, Options{Format: HF, Out: out}); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(m, out, dev, 8); err != nil {
		t.Errorf("by way of GGUF: %v", err)
	}
}

// Tokens that only added_tokens.json and tokenizer.json have are control tokens in
// GGUF, and texts have the ids that tokenizers gives.
func TestAddedTokens(t *testing.T) {
	m := caseModel(t, "spadd", 0)
	path := filepath.Join(t.TempDir(), "x.gguf")
	if _, _, err := Write(m, Options{Format: GGUF, Out: path}); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	texts, types := f.Metadata["tokenizer.ggml.tokens"].([]string), f.Metadata["tokenizer.ggml.token_type"].([]int64)
	for id, text := range map[int]string{420: "<|im_start|>", 421: "<|im_end|>"} {
		if texts[id] != text || types[id] != int64(tokenizer.Control) {
			t.Errorf("token %d is %q of type %d", id, texts[id], types[id])
		}
	}
	back, err := Read(path, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*export.Model{m, back} {
		tok, err := m.Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		want := []int32{420, 382, 398, 385, 263, 13, 391, 345, 291, 294, 421, 382, 13}
		if got := tok.Encode([]byte("<|im_start|>user\nthe quick fox<|im_end|>\n")); !slices.Equal(got, want) {
			t.Errorf("ids %d, want %d", got, want)
		}
	}
}

// What a missing BOS is called in GGUF is none on the way back.
func TestNoBOS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	if _, _, err := Write(caseModel(t, "qwen", 0), Options{Format: GGUF, Out: path}); err != nil {
		t.Fatal(err)
	}
	back, err := Read(path, "")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := back.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	if s := tok.Special(); s.BOS != tokenizer.None || s.Start != tokenizer.None || !slices.Equal(s.EOS, []int32{2}) {
		t.Errorf("special tokens %+v", s)
	}
}

// A list of ids that end a text goes through every format that has room for it.
func TestEOSList(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	dir := filepath.Join(t.TempDir(), "eoslist")
	if err := exporttest.Folder(dir, "testdata/cases/eoslist", 0); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/cases/untyped/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := export.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []int32{2, 7, 9}
	if !slices.Equal(m.Meta.Tokens.EOS, list) {
		t.Errorf("config.json has %d", m.Meta.Tokens.EOS)
	}
	hf, file := filepath.Join(t.TempDir(), "hf"), filepath.Join(t.TempDir(), "x.gguf")
	for _, o := range []Options{{Format: HF, Out: hf}, {Format: GGUF, Out: file}} {
		if _, _, err := Write(m, o); err != nil {
			t.Fatal(err)
		}
		if r, err := Verify(m, o.Out, dev, 8); err != nil || !slices.Equal(r.Special.EOS, list) {
			t.Errorf("%s: %v, %v", o.Format, r, err)
		}
	}
	for _, name := range []string{"config.json", "generation_config.json"} {
		var got struct {
			EOS []int32 `json:"eos_token_id"`
		}
		raw, err := os.ReadFile(filepath.Join(hf, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &got); err != nil || !slices.Equal(got.EOS, list) {
			t.Errorf("%s has %d, %v", name, got.EOS, err)
		}
	}
	checkMetadata(t, file, map[string]any{
		"tokenizer.ggml.eos_token_id": uint32(2), "tokenizer.ggml.eot_token_id": uint32(7), "tokenizer.ggml.eom_token_id": uint32(9),
	})
	throughGGUF(t, dev, m, file)
}
