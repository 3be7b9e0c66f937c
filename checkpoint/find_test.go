package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/gguf"
	"mobilellm/checkpoint/modeltest"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/tokenizer"
)

// A run's folder stands for its best checkpoint, or else the latest; a checkpoint for
// itself.
func TestOpenRun(t *testing.T) {
	run := t.TempDir()
	dir := filepath.Join(run, CheckpointsDir)
	older, newer := save(t, dir, 1), save(t, dir, 2)
	opens := func(path, want string) {
		t.Helper()
		m, err := Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		if m.Path != want {
			t.Errorf("%s stands for %s, want %s", path, m.Path, want)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := ConfigOf(path); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{run, dir, newer} {
		opens(path, newer)
	}
	if err := MarkBest(dir, filepath.Base(older)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{run, dir, older} {
		opens(path, older)
	}
	opens(newer, newer)
	cut(t, older, WeightsFile, 100)
	if _, err := Open(run); err == nil || !strings.Contains(err.Error(), filepath.Join(older, WeightsFile)+" is damaged") {
		t.Errorf("the best is damaged: %v", err)
	}
}

// ggufFile writes a file of drawn weights, with a tokenizer or without.
func ggufFile(t *testing.T, path string, c arch.Config, v *tokenizer.Vocabulary) map[string][]float32 {
	t.Helper()
	weights := modeltest.Weights(c, 1)
	var raw bytes.Buffer
	if _, err := gguf.Write(&raw, gguf.Contents{Config: c, Weights: weights, Vocabulary: v}, gguf.F32); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return weights
}

// A GGUF file is a model like a folder's.
func TestOpenGGUF(t *testing.T) {
	c, path := modeltest.Config(), filepath.Join(t.TempDir(), "x.gguf")
	weights := ggufFile(t, path, c, modeltest.Vocabulary())
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Config != c || !reflect.DeepEqual(m.Meta.Tokens, modeltest.Tokens()) || m.Path != path {
		t.Errorf("%+v, %+v of %s", m.Config, m.Meta, m.Path)
	}
	if of, err := ConfigOf(path); err != nil || of != c {
		t.Errorf("the config is %+v, %v", of, err)
	}
	var all []safetensors.Tensor
	for _, p := range c.Parameters() {
		got := make([]float32, p.Size())
		if err := m.LoadInto(p.Name, got, p.Shape); err != nil || !slices.Equal(got, weights[p.Name]) {
			t.Errorf("%s differs (%v)", p.Name, err)
		}
		all = append(all, safetensors.Tensor{Name: p.Name, Shape: p.Shape, Data: make([]float32, p.Size())})
	}
	if err := m.Load(all); err != nil {
		t.Error(err)
	}
	for _, w := range all {
		if !slices.Equal(w.Data, weights[w.Name]) {
			t.Errorf("%s is loaded otherwise", w.Name)
		}
	}
	own, err := m.Tokenizer()
	if err != nil || !m.HasTokenizer() {
		t.Fatal(err)
	}
	named, err := OpenTokenizer(path)
	if err != nil || named.Fingerprint() != own.Fingerprint() || !slices.Equal(own.Prompt("the hat"), named.Prompt("the hat")) {
		t.Errorf("the tokenizer by its path: %v", err)
	}
	if files, err := m.TokenizerFiles(); files != nil || err != nil {
		t.Errorf("its tokenizer has files %v, %v", files, err)
	}
	sum, err := m.Sum()
	if err != nil || len(sum) != 64 {
		t.Errorf("checksum %q, %v", sum, err)
	}
	if err := m.LoadInto("model.norm.weight", make([]float32, 3), []int{3}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("another shape: %v", err)
	}
	if err := m.Check(append(c.Parameters(), arch.Parameter{Name: "x", Shape: []int{1}})); err == nil || !strings.Contains(err.Error(), "tensor x is missing") {
		t.Errorf("a parameter more: %v", err)
	}

	bare := filepath.Join(t.TempDir(), "bare.gguf")
	ggufFile(t, bare, c, nil)
	m, err = Open(bare)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Tokenizer(); !errors.Is(err, fs.ErrNotExist) || m.HasTokenizer() || !reflect.DeepEqual(m.Meta.Tokens, NoTokens()) {
		t.Errorf("without a tokenizer: %v, %+v", err, m.Meta)
	}
}

// The tokenizer of a run is that of the checkpoint it stands for; what is no model is
// read as a tokenizer's file.
func TestOpenTokenizer(t *testing.T) {
	run := t.TempDir()
	c := contents(3)
	c.Tokenizer = func(dir string) error { return tokenizer.Bytes().Save(dir) }
	if _, err := Save(filepath.Join(run, CheckpointsDir), c); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(run, CheckpointsDir, "step-00000003")
	for _, path := range []string{run, at, filepath.Join(at, "tokenizer.json")} {
		tok, err := OpenTokenizer(path)
		if err != nil || tok.Fingerprint() != tokenizer.Bytes().Fingerprint() {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(run, "missing")} {
		if _, err := OpenTokenizer(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What is no model is said to be none, with what was looked for.
func TestOpenNothing(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := filepath.Join(dir, "good.gguf")
	ggufFile(t, good, modeltest.Config(), nil)
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(raw, []byte("\x05\x00\x00\x00\x00\x00\x00\x00llama"), []byte("\x05\x00\x00\x00\x00\x00\x00\x00qwen2"), 1)
	weights := write("model.safetensors", []byte("12345678"))
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "missing"), "there is no model at %s: file does not exist\nhint: name a Hugging Face folder, a GGUF file, a run's folder or a checkpoint"},
		{dir, "%s holds no model: neither config.json nor checkpoints of a run (best or step-…, there or in checkpoints)\nhint: name the file: " + filepath.Join(dir, "cut.gguf")},
		{weights, "%s is no model: a GGUF file begins with GGUF\nhint: safetensors and"},
		{write("empty.gguf", nil), "%s is no model: a GGUF file"},
		{write("cut.gguf", raw[:len(raw)-1]), "%s: truncated: tensor "},
		{write("header.gguf", raw[:300]), "%s: "},
		{write("other.gguf", other), `%s: general.architecture "qwen2" is not supported: only "llama" and "qwen3" are`},
	} {
		_, err := Open(tt.path)
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf(tt.want, tt.path)) {
			t.Errorf("%v, want "+tt.want, err, tt.path)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a missing path is not fs.ErrNotExist")
	}
}
