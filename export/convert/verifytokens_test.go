package convert

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/engine/cpu"
	"mobilellm/export"
	"mobilellm/export/exporttest"
)

// A GGUF that would stop elsewhere, or cut text otherwise, is not the model.
func TestVerifyFindsOtherTokens(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	m := caseModel(t, "smollm", 0)
	path := filepath.Join(t.TempDir(), "x.gguf")
	if _, _, err := Write(m, Options{Format: GGUF, Out: path}); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"another end", uint32Entry("tokenizer.ggml.eos_token_id", 2), uint32Entry("tokenizer.ggml.eos_token_id", 0), "eos_token_id is [0 2], in the model [2]"},
		{"another end of turn", uint32Entry("tokenizer.ggml.eot_token_id", 2), uint32Entry("tokenizer.ggml.eot_token_id", 5), "eos_token_id is [2 5], in the model [2]"},
		{"another beginning", uint32Entry("tokenizer.ggml.bos_token_id", 1), uint32Entry("tokenizer.ggml.bos_token_id", 0), "bos_token_id is [0], in the model [1]"},
		{"a beginning before each text", boolEntry("tokenizer.ggml.add_bos_token", false), boolEntry("tokenizer.ggml.add_bos_token", true), "a text is opened by [1], in the model [-1]"},
		{"a merge", stringItem("o w"), stringItem("o n"), "becomes tokens"},
		{"a merge of no token", stringItem("o w"), stringItem("o q"), `merge 0: token "oq" is not in the vocabulary`},
		{"the words", stringEntry("tokenizer.ggml.pre", "smollm"), stringEntry("tokenizer.ggml.pre", "llama3"), "becomes tokens"},
		{"unknown words", stringEntry("tokenizer.ggml.pre", "smollm"), stringEntry("tokenizer.ggml.pre", "smellm"), `tokenizer.ggml.pre "smellm" is not supported`},
		{"an added token's name", stringItem("<|im_start|>"), stringItem("<|im_smart|>"), `the text "<|im_start|>" becomes tokens`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if bytes.Count(good, []byte(tt.old)) < 1 {
				t.Fatalf("the file has no %q", tt.old)
			}
			changed := filepath.Join(t.TempDir(), "changed.gguf")
			raw := bytes.Replace(good, []byte(tt.old), []byte(tt.new), 1)
			if err := os.WriteFile(changed, raw, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(m, changed, dev, 4); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
	if _, err := Verify(m, path, dev, 4); err != nil {
		t.Error(err)
	}
}

// The metadata of a GGUF as its bytes.
func stringItem(s string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(s)))) + s
}

func uint32Entry(key string, value uint32) string {
	return stringItem(key) + string(binary.LittleEndian.AppendUint32([]byte{4, 0, 0, 0}, value))
}

func boolEntry(key string, value bool) string {
	last := "\x00"
	if value {
		last = "\x01"
	}
	return stringItem(key) + "\x07\x00\x00\x00" + last
}

func stringEntry(key, value string) string {
	return stringItem(key) + "\x08\x00\x00\x00" + stringItem(value)
}

// A folder that lost its template, or what ends a text, is not the model.
func TestVerifyFindsChangedFolder(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	for _, tt := range []struct{ file, old, new, want string }{
		{"tokenizer_config.json", `"eos_token": "<|im_end|>"`, `"eos_token": "<|endoftext|>"`, "eos_token_id is [0], in the model [2]"},
		{"tokenizer_config.json", `"pad_token": "<|endoftext|>"`, `"pad_token": "<|im_end|>"`, "pad_token_id is [2], in the model [0]"},
		{"tokenizer_config.json", `"bos_token": null`, `"bos_token": "<|im_start|>"`, "bos_token_id is [1], in the model [-1]"},
		{"chat_template.jinja", "messages", "massages", "the chat template is"},
		{"tokenizer.json", `"NFC"`, `null`, ""},
	} {
		m := caseModel(t, "qt", 405)
		out := filepath.Join(t.TempDir(), "hf")
		if _, _, err := Write(m, Options{Format: HF, Out: out}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(out, tt.file)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(raw, []byte(tt.old), []byte(tt.new), 1)
		if bytes.Equal(raw, changed) {
			t.Fatalf("%s has no %s", tt.file, tt.old)
		}
		if err := os.WriteFile(path, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(m, out, dev, 4); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s in %s: error %v, want %s", tt.new, tt.file, err, tt.want)
		}
	}
}

// broken is a model whose tokenizer.json is no JSON.
func broken(t *testing.T) *export.Model {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "broken")
	if err := exporttest.Folder(dir, "testdata/cases/smollm", 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(`{"model": {"type": "BPE", "vocab"`), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := export.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Exports that need no tokenizer never read one, and a folder's is copied.
func TestBrokenTokenizer(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	for _, tt := range []struct {
		format Format
		note   string
	}{
		{ONNX, ""}, {Llama2c, "no tokenizer is written"}, {HF, "the tokenizer's files are copied as they are"},
	} {
		m := broken(t)
		out := filepath.Join(t.TempDir(), "x")
		_, notes, err := Write(m, Options{Format: tt.format, Out: out})
		if err != nil {
			t.Errorf("%s: %v", tt.format, err)
			continue
		}
		if got := strings.Join(notes, "\n"); !strings.Contains(got, tt.note) || tt.note == "" && got != "" {
			t.Errorf("%s: notes %q", tt.format, got)
		}
		if _, err := Verify(m, out, dev, 4); err != nil {
			t.Errorf("%s: %v", tt.format, err)
		}
	}
	m := broken(t)
	if logits, err := m.Logits(dev, []int32{1, 2}); err != nil || len(logits) != 2*m.Config.VocabSize {
		t.Errorf("%d logits, %v", len(logits), err)
	}
	if paths, _, err := Write(m, Options{Format: GGUF, Out: filepath.Join(t.TempDir(), "x")}); err == nil || !strings.Contains(err.Error(), "unexpected end of JSON input") || len(paths) > 0 {
		t.Errorf("gguf: wrote %q, %v", paths, err)
	}
}

// A GGUF with words that are not known here is a model all the same.
func TestUnknownWords(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	path := filepath.Join(t.TempDir(), "x.gguf")
	if _, _, err := Write(caseModel(t, "smollm", 0), Options{Format: GGUF, Out: path}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.Replace(raw, []byte(stringEntry("tokenizer.ggml.pre", "smollm")), []byte(stringEntry("tokenizer.ggml.pre", "smellm")), 1)
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Read(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if m.Meta.Tokens.BOS != 1 {
		t.Errorf("special tokens %+v", m.Meta.Tokens)
	}
	if _, err := m.Logits(dev, []int32{1, 2}); err != nil {
		t.Error(err)
	}
	if _, _, err := Write(m, Options{Format: ONNX, Out: filepath.Join(t.TempDir(), "x")}); err != nil {
		t.Error(err)
	}
	if _, _, err := Write(m, Options{Format: HF, Out: filepath.Join(t.TempDir(), "x")}); err == nil || !strings.Contains(err.Error(), `"smellm" is not supported`) {
		t.Errorf("hf: %v", err)
	}
}

// A tokenizer of another kind travels unchanged, and a change of it is found.
func TestForeignTokenizer(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	t.Cleanup(dev.Close)
	dir := filepath.Join(t.TempDir(), "foreign")
	if err := exporttest.Folder(dir, "testdata/cases/smollm", 0); err != nil {
		t.Fatal(err)
	}
	const words = `{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}`
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(words), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := export.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "hf")
	_, notes, err := Write(m, Options{Format: HF, Out: out})
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "copied as they are") || !strings.Contains(notes[0], "WordLevel") {
		t.Fatalf("notes %q, %v", notes, err)
	}
	if raw, err := os.ReadFile(filepath.Join(out, "tokenizer.json")); err != nil || string(raw) != words {
		t.Errorf("tokenizer.json is %s, %v", raw, err)
	}
	if _, err := Verify(m, out, dev, 4); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(out, "tokenizer.json"), []byte(words+" "), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(m, out, dev, 4); err == nil || !strings.Contains(err.Error(), "tokenizer.json is not the model's") {
		t.Errorf("a changed file: %v", err)
	}
}
