package onnx

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine/cpu"
	"mobilellm/export/exporttest"
)

func logits(t *testing.T, path string, c arch.Config, ids []int32) []float32 {
	t.Helper()
	g, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Run(ids, c.KVHeads, c.HeadDim)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func difference(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i]-b[i])))
	}
	return worst
}

// The graph computes what the model does. Whether ONNX Runtime agrees is for
// interop to say.
func TestLogits(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	ids := []int32{1, 7, 260, 261, 44, 9, 299, 0, 12, 3}
	for _, tt := range []struct {
		name   string
		change func(*arch.Config)
	}{
		{"tied", func(*arch.Config) {}},
		{"untied", func(c *arch.Config) { c.ShareEmbedding = false }},
		{"as many kv heads", func(c *arch.Config) { c.KVHeads = 4 }},
		{"one kv head", func(c *arch.Config) { c.KVHeads = 1 }},
		{"relu", func(c *arch.Config) { c.FFN = arch.ReLU }},
		{"reverse", func(c *arch.Config) { c.LayerSharing = arch.LayerSharing{Strategy: arch.Reverse, Repeat: 3} }},
		{"llama3", func(c *arch.Config) {
			c.RoPEScaling = arch.RoPEScaling{Type: arch.Llama3RoPE, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 32}
		}},
	} {
		c := exporttest.Config()
		tt.change(&c)
		m := exporttest.Model(c, 1)
		want, err := m.Logits(dev, ids)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "model.onnx")
		if err := Write(path, m, F32); err != nil {
			t.Fatal(err)
		}
		if d := difference(logits(t, path, m.Config, ids), want); !(d < 1e-5) {
			t.Errorf("%s: logits differ by %g", tt.name, d)
		}
	}
}

// Weights in a file of their own, and rounded ones, give the same numbers.
func TestStorage(t *testing.T) {
	ids := []int32{1, 7, 260}
	m := exporttest.Model(exporttest.Config(), 1)
	for typ, dtype := range map[Type]safetensors.DType{F32: safetensors.F32, F16: safetensors.F16, BF16: safetensors.BF16} {
		whole, split := filepath.Join(t.TempDir(), "model.onnx"), filepath.Join(t.TempDir(), "model.onnx")
		if err := Write(whole, m, typ); err != nil {
			t.Fatal(err)
		}
		if err := write(split, m, typ, 1000); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(split + ".data"); err != nil || info.Size() == 0 {
			t.Errorf("%s: no external data: %v", dtype, err)
		}
		if info, err := os.Stat(split); err != nil || info.Size() > 60_000 {
			t.Errorf("%s: the graph still has %d bytes: %v", dtype, info.Size(), err)
		}
		if d := difference(logits(t, whole, m.Config, ids), logits(t, split, m.Config, ids)); d != 0 {
			t.Errorf("%s: external data changes the logits by %g", dtype, d)
		}
		rounded := *m
		rounded.Weights = map[string][]float32{}
		for name, x := range m.Weights {
			raw := make([]byte, int64(len(x))*dtype.Size())
			dtype.Encode(raw, x)
			rounded.Weights[name] = make([]float32, len(x))
			dtype.Decode(rounded.Weights[name], raw)
		}
		again := filepath.Join(t.TempDir(), "model.onnx")
		if err := Write(again, &rounded, F32); err != nil {
			t.Fatal(err)
		}
		if d := difference(logits(t, whole, m.Config, ids), logits(t, again, m.Config, ids)); d != 0 {
			t.Errorf("%s: rounded beforehand, the logits differ by %g", dtype, d)
		}
	}
}

// A shared layer and a tied head are stored once.
func TestSharedWeightsOnce(t *testing.T) {
	size := func(repeat int) int64 {
		c := exporttest.Config()
		if repeat > 1 {
			c.LayerSharing = arch.LayerSharing{Strategy: arch.Immediate, Repeat: repeat}
		}
		path := filepath.Join(t.TempDir(), "model.onnx")
		if err := Write(path, exporttest.Model(c, 1), F32); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if once, thrice := size(1), size(3); thrice > once+40_000 {
		t.Errorf("%d bytes with each layer run once, %d with three times", once, thrice)
	}
}

func TestMalformed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	if err := Write(path, exporttest.Model(exporttest.Config(), 1), F32); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "holds no graph"},
		{"text", []byte("hello, this is no model"), "malformed"},
		{"cut", good[:len(good)-1], "cut short"},
	} {
		if _, err := parse(tt.raw, dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
	renamed := bytes.ReplaceAll(good, []byte("Softmax"), []byte("Softmin"))
	g, err := parse(renamed, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Run([]int32{1}, 2, 8); err == nil || !strings.Contains(err.Error(), "operator Softmin") {
		t.Errorf("an unknown operator: %v", err)
	}
}

func FuzzGraph(f *testing.F) {
	c := exporttest.Config()
	c.Dim, c.HeadDim, c.FFNDim, c.VocabSize, c.Layers, c.Context = 8, 2, 8, 275, 1, 8
	path := filepath.Join(f.TempDir(), "model.onnx")
	if err := Write(path, exporttest.Model(c, 1), F32); err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := parse(raw, dir)
		if err == nil && g == nil {
			t.Fatal("neither a graph nor an error")
		}
	})
}

// A feed-forward network without operators is refused, and not written as another.
func TestUnknownFFN(t *testing.T) {
	for _, f := range []arch.FFN{"cube", ""} {
		if _, err := feedForwardOf(f); err == nil || !strings.Contains(err.Error(), "onnx: no operators are known for a feed-forward network of "+string(f)) {
			t.Errorf("%s: error is %v", f, err)
		}
	}
}
