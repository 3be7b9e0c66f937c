package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/internal/bfloat16"
	"mobilellm/internal/filemap"
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
		{Name: "model.embed_tokens.weight", DType: F32, Shape: []int{5, 4}, Data: ramp(20)},
		{Name: "brain", DType: BF16, Shape: []int{7}, Data: ramp(7)},
		{Name: "half", DType: F16, Shape: []int{3, 3}, Data: ramp(9)},
		{Name: "scalar", DType: F32, Data: []float32{0.5}},
		{Name: "empty", DType: F32, Shape: []int{0, 3}},
		{Name: `<last> & "name"`, DType: F32, Shape: []int{2, 1, 2}, Data: ramp(4)},
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
			tensors = append(tensors, Tensor{Name: name, DType: dtype, Shape: []int{n}, Data: data})
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

// Elements that are in bf16 already are written and read bit by bit: every one
// of them, several buffers' worth, between tensors of the other kind.
func TestHalf(t *testing.T) {
	half := make([]uint16, 3*bufferBytes/4+1<<16)
	for i := range half {
		half[i] = uint16(i)
	}
	tensors := []Tensor{
		{Name: "before", DType: F32, Shape: []int{3}, Data: ramp(3)},
		{Name: "half", DType: BF16, Shape: []int{len(half)}, BF16: half},
		{Name: "none", DType: BF16, Shape: []int{0, 2}, BF16: []uint16{}},
		{Name: "after", DType: BF16, Shape: []int{5}, Data: ramp(5)},
	}
	var b bytes.Buffer
	if err := Write(&b, tensors, nil); err != nil {
		t.Fatal(err)
	}
	f, err := NewFile(filemap.Bytes(b.Bytes()), "f")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]uint16, len(half))
	if err := f.ReadBF16("half", got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, half) {
		t.Error("the halves differ")
	}
	if err := f.ReadBF16("none", nil); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"before", "after"} {
		n := map[string]int{"before": 3, "after": 5}[name]
		got := make([]float32, n)
		if err := f.ReadFloat32(name, got); err != nil || !slices.Equal(got, ramp(n)) {
			t.Errorf("%s = %v (%v), want %v", name, got, err, ramp(n))
		}
	}
	// float32 elements of a BF16 tensor and bf16 ones are the same bytes.
	last := make([]uint16, 5)
	if err := f.ReadBF16("after", last); err != nil {
		t.Fatal(err)
	}
	for i, x := range ramp(5) {
		if last[i] != bfloat16.Round(x) {
			t.Errorf("after[%d] = %#x, want %#x", i, last[i], bfloat16.Round(x))
		}
	}
	for _, tt := range []struct {
		name string
		n    int
		want string
	}{
		{"nothing", 1, "f: no tensor nothing"},
		{"before", 3, "f: tensor before is F32; BF16 is expected"},
		{"after", 4, "f: tensor after has 5 elements (shape [5]), not 4"},
	} {
		if err := f.ReadBF16(tt.name, make([]uint16, tt.n)); err == nil || err.Error() != tt.want {
			t.Errorf("reading %s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestWriteRejects(t *testing.T) {
	for _, tt := range []struct {
		tensors []Tensor
		want    string
	}{
		{[]Tensor{{Name: "a", DType: F32, Shape: []int{2}, Data: ramp(2)}, {Name: "a", DType: F32, Shape: []int{2}, Data: ramp(2)}}, "tensor a is given twice"},
		{[]Tensor{{Name: "__metadata__", DType: F32, Shape: []int{1}, Data: ramp(1)}}, "a tensor cannot be named __metadata__"},
		{[]Tensor{{Name: "a", DType: "F64", Shape: []int{1}, Data: ramp(1)}}, `tensor a: dtype "F64" is not F32, BF16, F16 or I8`},
		{[]Tensor{{Name: "a", DType: F32, Shape: []int{2, 2}, Data: ramp(3)}}, "tensor a: shape [2 2] does not have 3 elements"},
		{[]Tensor{{Name: "a", DType: F32, Shape: []int{-1, -3}, Data: ramp(3)}}, "tensor a: shape [-1 -3] does not have 3 elements"},
		{[]Tensor{{Name: "a", DType: F32, Shape: []int{1 << 32, 1 << 32}}}, "tensor a: shape [4294967296 4294967296] does not have 0 elements"},
		{[]Tensor{{Name: "a", DType: F32, Shape: []int{2}, BF16: make([]uint16, 2)}}, "tensor a: its elements are given in bf16; dtype F32 needs float32"},
		{[]Tensor{{Name: "a", DType: BF16, Shape: []int{4}, BF16: make([]uint16, 2), Data: ramp(2)}}, "tensor a: elements are given in both float32 and bf16"},
		{[]Tensor{{Name: "a", DType: BF16, Shape: []int{3}, BF16: make([]uint16, 2)}}, "tensor a: shape [3] does not have 2 elements"},
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
		if got := bfloat16.Round(x); uint32(got) != row[1] {
			t.Errorf("bf16 of %08x is %04x, want %04x", row[0], got, row[1])
		}
		if got := toF16(x); uint32(got) != row[2] {
			t.Errorf("f16 of %08x is %04x, want %04x", row[0], got, row[2])
		}
	}
	nan := math.Float32frombits(0x7f800001) // its payload is lost in the upper half
	if b, h := bfloat16.Round(nan), toF16(nan); b&0x7fff <= 0x7f80 || h&0x7fff <= 0x7c00 {
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
				if err := Write(discard{}, []Tensor{{Name: "w", DType: dtype, Shape: []int{len(data)}, Data: data}}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Tensors that share memory are each fetched when their turn comes.
func TestFetch(t *testing.T) {
	shared := make([]float32, 4)
	var tensors, plain []Tensor
	for i := range 3 {
		values := []float32{float32(i), 1, 2, 3}
		plain = append(plain, Tensor{Name: fmt.Sprint(i), DType: F32, Shape: []int{4}, Data: values})
		tensors = append(tensors, Tensor{Name: fmt.Sprint(i), DType: F32, Shape: []int{4}, Data: shared, Fetch: func() error {
			copy(shared, values)
			return nil
		}})
	}
	var got, want bytes.Buffer
	if err := errors.Join(Write(&got, tensors, nil), Write(&want, plain, nil)); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%v, or other bytes than of tensors with memory of their own", err)
	}
	gone := errors.New("the device is gone")
	tensors[1].Fetch = func() error { return gone }
	if err := Write(io.Discard, tensors, nil); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}
