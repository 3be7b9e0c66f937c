package checkpoint_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine/cpu"
	"mobilellm/export"
)

// A configuration computes what transformers computes with it: testdata/rope.
func TestRoPEOfTransformers(t *testing.T) {
	var golden struct {
		Shape map[string]any
		IDs   []int32
		Cases []struct {
			Name   string
			Fields map[string]any
			Logits []float32 // of the last position
		}
	}
	raw, err := os.ReadFile("testdata/rope/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	for _, tt := range golden.Cases {
		t.Run(tt.Name, func(t *testing.T) {
			fields := map[string]any{}
			for _, part := range []map[string]any{golden.Shape, tt.Fields} {
				for key, value := range part {
					fields[key] = value
				}
			}
			m, err := export.Open(modelFolder(t, fields))
			if err != nil {
				t.Fatal(err)
			}
			logits, err := m.Logits(dev, golden.IDs)
			if err != nil {
				t.Fatal(err)
			}
			compareLogits(t, logits[len(logits)-len(tt.Logits):], tt.Logits)
		})
	}
	if len(golden.Cases) < 20 {
		t.Errorf("%d cases", len(golden.Cases))
	}
}

// A folder whose tensors have the names of a wrapper, or no "model.", is the model
// that it was: testdata/names.
func TestNamesOfWrappers(t *testing.T) {
	var golden struct {
		IDs    []int32
		Logits map[string][]float32 // of the last position
	}
	raw, err := os.ReadFile("testdata/names/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	for name, want := range golden.Logits {
		t.Run(name, func(t *testing.T) {
			m, err := export.Open(filepath.Join("testdata", "names", name))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range m.Config.Parameters() {
				sum := 0
				for _, c := range []byte(p.Name) {
					sum += int(c)
				}
				for i, got := range m.Weights[p.Name] {
					k := i*7 + sum
					if want := float32(k*k%61)/64 - 0.46875; got != want {
						t.Fatalf("%s[%d] is %g, want %g", p.Name, i, got, want)
					}
				}
			}
			logits, err := m.Logits(dev, golden.IDs)
			if err != nil {
				t.Fatal(err)
			}
			compareLogits(t, logits[len(logits)-len(want):], want)
		})
	}
	if len(golden.Logits) != 7 {
		t.Errorf("%d folders", len(golden.Logits))
	}
}

// modelFolder writes a folder with the weights of testdata/rope/golden.py.
func modelFolder(t *testing.T, config map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, checkpoint.ConfigFile)
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	c, _, err := checkpoint.ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	var weights []safetensors.Tensor
	for _, p := range c.Parameters() {
		values := make([]float32, p.Size())
		for i := range values {
			k := i*7 + len(p.Name)
			values[i] = float32(k*k%61)/64 - 0.46875
			if p.Norm {
				values[i] = 1
			}
		}
		weights = append(weights, safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: values})
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, weights, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, checkpoint.WeightsFile), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func compareLogits(t *testing.T, got, want []float32) {
	t.Helper()
	for i := range want {
		if !(math.Abs(float64(got[i]-want[i])) <= 2e-5) {
			t.Fatalf("logits are\n%g, want\n%g", got, want)
		}
	}
}

// An adapter that peft wrote gives peft's logits: testdata/adapter.py.
func TestAdapterOfPEFT(t *testing.T) {
	const dir = "testdata/peft-adapter"
	var golden struct {
		IDs    []int32
		Logits []float32 // of the last position
	}
	raw, err := os.ReadFile(filepath.Join(dir, "logits.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	m, err := export.Open("testdata/hf-llama")
	if err != nil {
		t.Fatal(err)
	}
	a, err := checkpoint.OpenAdapter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Merge(a); err != nil {
		t.Fatal(err)
	}
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	logits, err := m.Logits(dev, golden.IDs)
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, logits[len(logits)-len(golden.Logits):], golden.Logits)
}
