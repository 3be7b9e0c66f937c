package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/export"
	"mobilellm/export/exporttest"
	"mobilellm/export/llama2c"
)

func TestDetect(t *testing.T) {
	dir := t.TempDir()
	m := exporttest.Model(exporttest.Config(), 1)
	for _, tt := range []struct {
		name   string
		format Format
		o      Options
	}{
		{"folder", HF, Options{Format: HF}},
		{"x.gguf", GGUF, Options{Format: GGUF}},
		{"x.onnx", ONNX, Options{Format: ONNX}},
		{"v0.bin", Llama2c, Options{Format: Llama2c}},
		{"v1.bin", Llama2c, Options{Format: Llama2c, Version: llama2c.V1}},
	} {
		tt.o.Out = filepath.Join(dir, tt.name)
		if _, _, err := Write(m, tt.o); err != nil {
			t.Fatal(err)
		}
		if got, err := Detect(tt.o.Out); err != nil || got != tt.format {
			t.Errorf("%s is %q, %v, want %q", tt.name, got, err, tt.format)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".tmp-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for name, content := range map[string]string{"note": "This is no model.", "short": "x", "pickle": "PK\x03\x04........"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Detect(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s was taken for %q: %v", name, got, err)
		}
	}
}

// A failed write leaves nothing.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	c := exporttest.Config()
	c.FFN = arch.ReLU
	for _, f := range []Format{HF, GGUF, Llama2c} {
		if _, _, err := Write(exporttest.Model(c, 1), Options{Format: f, Out: filepath.Join(dir, "x")}); err == nil {
			t.Errorf("%s took ReLU", f)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// One changed weight, in any format, is found.
func TestVerifyFindsAChange(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	for _, f := range []Format{HF, GGUF, ONNX, Llama2c} {
		m := exporttest.Model(exporttest.Config(), 1)
		path := filepath.Join(t.TempDir(), "x")
		if _, _, err := Write(m, Options{Format: f, Out: path}); err != nil {
			t.Fatal(err)
		}
		if r, err := Verify(m, path, dev, 8); err != nil || r.Tokens != 8 || r.RoundedDifference > Tolerance {
			t.Errorf("%s: %+v, %v", f, r, err)
		}
		name := arch.LayerParameterName("self_attn.k_proj", 1)
		m.Weights[name][5] += 0.01
		if _, err := Verify(m, path, dev, 8); err == nil || !strings.Contains(err.Error(), name+" differs by up to 0.0") {
			t.Errorf("%s: a changed weight was not found: %v", f, err)
		}
	}
}

// What a config says of things that it does not use is no difference.
func TestVerifyIgnoresUnusedFields(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	c := exporttest.Config()
	c.LayerSharing.Repeat, c.InitStd, c.RoPEScaling.Factor = 5, 0.5, 7
	m := exporttest.Model(c, 1)
	path := filepath.Join(t.TempDir(), "x.gguf")
	if _, _, err := Write(m, Options{Format: GGUF, Out: path}); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(m, path, dev, 8); err != nil {
		t.Error(err)
	}
}

// A graph that computes something else is found though its weights are right.
func TestVerifyFindsAnotherFunction(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	m := exporttest.Model(exporttest.Config(), 1)
	path := filepath.Join(t.TempDir(), "x.onnx")
	if _, _, err := Write(m, Options{Format: ONNX, Out: path}); err != nil {
		t.Fatal(err)
	}
	other := &export.Model{Config: m.Config, Weights: m.Weights}
	other.Config.NormEps = 0.1
	if r, err := Verify(other, path, dev, 8); err == nil || r == nil || !strings.Contains(err.Error(), "logits differ by") {
		t.Errorf("another epsilon was not found: %+v, %v", r, err)
	}
}
