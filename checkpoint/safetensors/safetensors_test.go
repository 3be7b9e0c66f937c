package safetensors

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/go.safetensors anew; then run golden.py check")

// ramp is golden.py's.
func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i)/8 - 3
	}
	return x
}

func TestReadPythonFile(t *testing.T) {
	f, err := Open("testdata/python.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Metadata(); got["format"] != "pt" || got["by"] != "python" {
		t.Errorf("metadata %v", got)
	}
	if len(f.Tensors()) != 7 {
		t.Errorf("%d tensors, want 7", len(f.Tensors()))
	}
	for _, tt := range []struct {
		name  string
		dtype DType
		shape []int
		want  []float32
	}{
		{"model.embed_tokens.weight", F32, []int{5, 4}, ramp(20)},
		{"half", F16, []int{3, 3}, ramp(9)},
		{"brain", BF16, []int{7}, ramp(7)},
		{"scalar", F32, []int{}, []float32{0.5}},
		{"empty", F32, []int{0, 3}, []float32{}},
		{`naïve "name"`, F32, []int{1}, ramp(1)},
	} {
		info, ok := f.Lookup(tt.name)
		if !ok {
			t.Errorf("no tensor %s", tt.name)
			continue
		}
		if info.DType != tt.dtype || !slices.Equal(info.Shape, tt.shape) {
			t.Errorf("%s is %s %d, want %s %d", tt.name, info.DType, info.Shape, tt.dtype, tt.shape)
		}
		got := make([]float32, info.Elements())
		if err := f.ReadFloat32(tt.name, got); err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s = %v, want %v", tt.name, got, tt.want)
		}
	}

	for _, tt := range []struct {
		name string
		dst  []float32
		want string
	}{
		{"nothing", nil, "testdata/python.safetensors: no tensor nothing"},
		{"ids", make([]float32, 4), "testdata/python.safetensors: tensor ids is I64; only F32, BF16 and F16 can be read as floats"},
		{"half", make([]float32, 4), "testdata/python.safetensors: tensor half has 9 elements (shape [3 3]), not 4"},
	} {
		if err := f.ReadFloat32(tt.name, tt.dst); err == nil || err.Error() != tt.want {
			t.Errorf("reading %s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// The bytes of this file were loaded by Python's safetensors: golden.py check.
func TestWriteGolden(t *testing.T) {
	const path = "testdata/go.safetensors"
	var b bytes.Buffer
	err := Write(&b, []Tensor{
		{"model.embed_tokens.weight", F32, []int{5, 4}, ramp(20)},
		{"brain", BF16, []int{7}, ramp(7)},
		{"half", F16, []int{3, 3}, ramp(9)},
		{"scalar", F32, nil, []float32{0.5}},
		{"empty", F32, []int{0, 3}, nil},
		{`<last> & "name"`, F32, []int{2, 1, 2}, ramp(4)},
	}, map[string]string{"by": "go"})
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("wrote %d bytes that differ from %s", b.Len(), path)
	}
}

// Tensors larger than a buffer, and many small ones, come back as they were.
func TestRoundTrip(t *testing.T) {
	var tensors []Tensor
	for _, dtype := range []DType{F32, BF16, F16} {
		for _, n := range []int{1, 3, 1000, bufferBytes/4 + 3, bufferBytes + 1} {
			data := make([]float32, n)
			for i := range data {
				data[i] = float32(i%256) - 7
			}
			name := string(dtype) + strings.Repeat("x", len(tensors))
			tensors = append(tensors, Tensor{name, dtype, []int{n}, data})
		}
	}
	path := filepath.Join(t.TempDir(), "f.safetensors")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(file, tensors, nil); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, want := range tensors {
		if f.Tensors()[i].Name != want.Name {
			t.Fatalf("tensor %d is %s, want %s", i, f.Tensors()[i].Name, want.Name)
		}
		got := make([]float32, len(want.Data))
		if err := f.ReadFloat32(want.Name, got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want.Data) {
			t.Errorf("%s differs", want.Name)
		}
	}
}

func TestWriteRejects(t *testing.T) {
	for _, tt := range []struct {
		tensors []Tensor
		want    string
	}{
		{[]Tensor{{"a", F32, []int{2}, ramp(2)}, {"a", F32, []int{2}, ramp(2)}}, "tensor a is given twice"},
		{[]Tensor{{"__metadata__", F32, []int{1}, ramp(1)}}, "a tensor cannot be named __metadata__"},
		{[]Tensor{{"a", "F64", []int{1}, ramp(1)}}, `tensor a: dtype "F64" is not F32, BF16 or F16`},
		{[]Tensor{{"a", F32, []int{2, 2}, ramp(3)}}, "tensor a: shape [2 2] does not have 3 elements"},
		{[]Tensor{{"a", F32, []int{-1, -3}, ramp(3)}}, "tensor a: shape [-1 -3] does not have 3 elements"},
		{[]Tensor{{"a", F32, []int{1 << 32, 1 << 32}, nil}}, "tensor a: shape [4294967296 4294967296] does not have 0 elements"},
	} {
		var b bytes.Buffer
		if err := Write(&b, tt.tensors, nil); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		if b.Len() > 0 {
			t.Errorf("%s: %d bytes were written first", tt.want, b.Len())
		}
	}
}

func TestRoundingAsPyTorch(t *testing.T) {
	raw, err := os.ReadFile("testdata/rounding.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][3]uint32
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) < 500 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		x := math.Float32frombits(row[0])
		if got := toBF16(x); uint32(got) != row[1] {
			t.Errorf("bf16 of %08x is %04x, want %04x", row[0], got, row[1])
		}
		if got := toF16(x); uint32(got) != row[2] {
			t.Errorf("f16 of %08x is %04x, want %04x", row[0], got, row[2])
		}
	}
	nan := math.Float32frombits(0x7f800001) // its payload is lost in the upper half
	if b, h := toBF16(nan), toF16(nan); b&0x7fff <= 0x7f80 || h&0x7fff <= 0x7c00 {
		t.Errorf("NaN became %04x and %04x", b, h)
	}
}

// Every half is a float32, and rounding that gives the half again.
func TestHalvesRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		x := fromF16(h)
		if isNaN := h&0x7fff > 0x7c00; isNaN {
			if x == x {
				t.Fatalf("%04x became %v, want NaN", h, x)
			}
			continue
		}
		if got := toF16(x); got != h {
			t.Fatalf("%04x became %v, then %04x", h, x, got)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	data := make([]float32, 8<<20)
	for _, dtype := range []DType{F32, BF16, F16} {
		b.Run(string(dtype), func(b *testing.B) {
			b.SetBytes(int64(len(data)) * dtype.Size())
			for b.Loop() {
				if err := Write(discard{}, []Tensor{{"w", dtype, []int{len(data)}, data}}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
