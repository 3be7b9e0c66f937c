package compat

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/engine/cpu"
	"mobilellm/export/convert"
	"mobilellm/infer"
)

// formats are those that the earlier version wrote of each run's model.
var formats = map[string][]convert.Format{
	"bpe":     {convert.HF, convert.GGUF, convert.ONNX},
	"bytes":   {convert.ONNX},
	"foreign": {convert.HF, convert.ONNX},
	"mixture": {convert.HF, convert.GGUF, convert.ONNX, convert.Llama2c},
	"pieces":  {convert.HF, convert.GGUF, convert.ONNX, convert.Llama2c},
	"taught":  {convert.HF, convert.GGUF, convert.ONNX, convert.Llama2c},
}

// Each model has the logits that it had, and is still exported.
func TestExport(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	for _, name := range copied(t) {
		m, err := convert.Read(saved(name, ended), "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compareLogits(t, dev, saved(name, ended), name)
		for _, format := range formats[name] {
			out := filepath.Join(t.TempDir(), name+"."+string(format))
			if _, _, err := convert.Write(m, convert.Options{Format: format, Out: out}); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if _, err := convert.Verify(m, out, dev, 16); err != nil {
				t.Errorf("%s as %s: %v", name, format, err)
			}
		}
	}
}

// What was exported is still read.
func TestReadExports(t *testing.T) {
	copied(t)
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	for _, name := range []string{"bpe.gguf", "foreign", "pieces.bin", "pieces.gguf"} {
		compareLogits(t, dev, filepath.Join("exports", name), "exports-"+name)
	}
}

// compareLogits runs a model on the tokens of a recording.
func compareLogits(t *testing.T, dev *cpu.Device, path, recorded string) {
	t.Helper()
	var want struct {
		Tokens []int32     `json:"tokens"`
		Logits [][]float32 `json:"logits"`
	}
	if err := json.Unmarshal(file(t, "expected", recorded+".logits.json"), &want); err != nil {
		t.Fatal(err)
	}
	m, err := convert.Read(path, "")
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	got, err := m.Logits(dev, want.Tokens)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	all := slices.Concat(want.Logits...)
	if len(got) != len(all) {
		t.Fatalf("%s: %d logits, want %d", path, len(got), len(all))
	}
	for i := range all {
		if !(math.Abs(float64(got[i]-all[i])) <= 1e-5) {
			t.Errorf("%s: logit %d is %g, want %g", path, i, got[i], all[i])
			return
		}
	}
}

// A model writes what it wrote: how a prompt begins, the draw, and how ids become
// text.
func TestGenerate(t *testing.T) {
	copied(t)
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	for _, name := range []string{"bpe", "bytes"} {
		m, err := infer.Load(saved(name, ended), dev, infer.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var text strings.Builder
		prompt := m.Tokenizer.Prompt("The ferry")
		s := m.NewStream(&text, prompt...)
		if err := m.Generate(context.Background(), prompt, infer.Options{MaxTokens: 20, Temperature: 0.8, Seed: 3}, s.Token); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if want := string(file(t, "expected", name+".text")); text.String()+"\n" != want {
			t.Errorf("%s writes %q, want %q", name, text.String()+"\n", want)
		}
	}
}
