package infer

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/engine"
	"mobilellm/engine/cpu/panel"
	"mobilellm/internal/quant"
	"mobilellm/tokenizer"
)

// stored saves a folder again in 8 bits.
func stored(t *testing.T, dir string, q checkpoint.Quantization) string {
	t.Helper()
	m, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c := checkpoint.Contents{Config: m.Config, Meta: m.Meta, Quantize: q, Tokenizer: tokenizer.Bytes().Save}
	for _, p := range m.Config.Parameters() {
		w := safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: make([]float32, p.Size())}
		if err := m.LoadInto(p.Name, w.Data, p.Shape); err != nil {
			t.Fatal(err)
		}
		c.Weights = append(c.Weights, w)
	}
	to := filepath.Join(t.TempDir(), "stored")
	if err := checkpoint.SaveModel(to, c); err != nil {
		t.Fatal(err)
	}
	return to
}

// A folder in 8 bits computes with its own integers, by default as compressed-tensors, and
// as floats where that is asked for.
func TestStoredQuantization(t *testing.T) {
	for kind, tied := range map[checkpoint.Quantization]bool{checkpoint.W8A8: true, checkpoint.W8A8Head: false} {
		c := small(260)
		c.ShareEmbedding = tied
		floats := savedAs(t, filepath.Join(t.TempDir(), "model"), c, nil)
		dir := stored(t, floats, kind)
		ids := []int32{70, 3, 200, 11, 42, 255, 1}
		logits := func(dir, quantize, precision string) ([][]float32, string) {
			var o LoadOptions
			if err := o.SetTypes(precision, "float32", quantize); err != nil {
				t.Fatal(err)
			}
			m := open(t, dir, o)
			return allLogits(t, m, 0, ids), m.Types()
		}
		got, types := logits(dir, "", "auto")
		if want := string(kind) + ":compressed-tensors"; !strings.HasPrefix(types, want) {
			t.Errorf("%s computes as %s, want %s", kind, types, want)
		}
		if kind == checkpoint.W8A8 { // the other leaves the embedding as it is
			if want, _ := logits(floats, "w8a8:compressed-tensors", "float32"); !slices.EqualFunc(got, want, slices.Equal) {
				t.Error("integers that were stored give other logits than those quantised when loaded")
			}
		}
		asked, _ := logits(dir, "w8a8:compressed-tensors", "float32")
		if kind == checkpoint.W8A8 && !slices.EqualFunc(got, asked, slices.Equal) {
			t.Error("the default is not w8a8:compressed-tensors")
		}
		if none, types := logits(dir, "none", "float32"); types != "float32" || deviation(none, oracle(t, c, dir, ids)) > 1e-4 || slices.EqualFunc(none, got, slices.Equal) {
			t.Errorf("as floats it is %s, %.2g off", types, deviation(none, oracle(t, c, dir, ids)))
		}
	}
}

// Each product of a model with another program's inputs is that program's: transformers', of
// a folder w8a8 in 8 bits (interop/quantized.py), and ONNX Runtime's, of a folder model in
// floats, whose weights are rounded here (interop/interop.py).
func TestProducts(t *testing.T) {
	dir := os.Getenv("MOBILELLM_PRODUCTS")
	if dir == "" {
		t.Skip("interop/run.sh and interop/quantized.sh run it")
	}
	scheme, path := quant.Compressed, filepath.Join(dir, "w8a8")
	if _, err := os.Stat(path); err != nil {
		scheme, path = quant.Symmetric, filepath.Join(dir, "model")
	}
	m, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	f, err := safetensors.Open(filepath.Join(dir, "products.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read := func(name string) ([]float32, int) {
		info, ok := f.Lookup(name)
		if !ok {
			t.Fatalf("%s is missing", name)
		}
		x := make([]float32, info.Elements())
		if err := f.ReadFloat32(name, x); err != nil {
			t.Fatal(err)
		}
		return x, info.Shape[0]
	}
	worst, count := 0.0, 0
	for _, p := range m.Config.Parameters() {
		if _, ok := f.Lookup(p.Name + ".input"); !ok && (scheme == quant.Symmetric || !m.StoresInt8(p.Name)) {
			continue
		}
		x, rows := read(p.Name + ".input")
		want, _ := read(p.Name + ".output")
		d := relative(product(t, m, p, x, rows, scheme), want)
		if !(d <= 1e-5) {
			t.Errorf("%s is %.2g off", p.Name, d)
		}
		worst, count = max(worst, d), count+1
	}
	if count == 0 {
		t.Error("nothing is in 8 bits")
	}
	t.Logf("%d products, %.2g apart at most", count, worst)
}

// product multiplies rows of x by a matrix in 8 bits, as it is stored or rounded.
func product(t *testing.T, m *checkpoint.Model, p arch.Parameter, x []float32, rows int, scheme quant.Scheme) []float32 {
	n, k := p.Shape[0], p.Shape[1]
	ints, scales := make([]int8, n*k), make([]float32, n)
	if m.StoresInt8(p.Name) {
		if err := m.LoadInt8(p.Name, 0, ints, scales); err != nil {
			t.Fatal(err)
		}
	} else {
		floats := make([]float32, n*k)
		if err := m.LoadInto(p.Name, floats, p.Shape); err != nil {
			t.Fatal(err)
		}
		ints, scales = quant.Matrix(floats, k, quant.Weights)
	}
	w := make([]uint64, (panel.Bytes(n, k, engine.I8)+4096)/8)
	packed := unsafe.Add(unsafe.Pointer(&w[0]), (64-uintptr(unsafe.Pointer(&w[0]))%64)%64)
	panel.PackInt8(packed, ints, scales, k)
	q, r, y := make([]byte, rows*panel.QuantizedStride(k)), make([]quant.Row, rows), make([]float32, rows*n)
	panel.Quantize(unsafe.Pointer(&q[0]), r, unsafe.Pointer(&x[0]), k, k, scheme)
	panel.Int8Product{M: rows, N: n, K: k, LDY: n}.Run(unsafe.Pointer(&q[0]), r, packed, unsafe.Pointer(&y[0]))
	return y
}

// relative is the largest difference, of the largest of want.
func relative(got, want []float32) float64 {
	d, size := 0.0, 0.0
	for i, v := range want {
		d, size = max(d, math.Abs(float64(got[i]-v))), max(size, math.Abs(float64(v)))
	}
	return d / size
}
