package gguf

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/modeltest"
	"mobilellm/checkpoint/safetensors"
)

func float32Bytes(x []float32) []byte {
	raw := make([]byte, 4*len(x))
	safetensors.F32.Encode(raw, x)
	return raw
}

// Every type that is written has the bytes that the gguf package makes, and the numbers
// that it makes of them (testdata/golden.py).
func TestQuantiseGolden(t *testing.T) {
	var golden map[string]json.RawMessage
	load(t, "testdata/quantised.json", &golden)
	var raw []byte
	if err := json.Unmarshal(golden["x"], &raw); err != nil || len(raw) < 100*4*blockElements {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	x := make([]float32, len(raw)/4)
	safetensors.F32.Decode(x, raw)
	for _, typ := range Types() {
		if layouts[typ].halves == 0 {
			continue
		}
		var want struct{ Blocks, Values []byte }
		if err := json.Unmarshal(golden[typ.String()], &want); err != nil {
			t.Errorf("%v: %v", typ, err)
			continue
		}
		got, n := make([]byte, typ.size(int64(len(x)))), int(layouts[typ].bytes)
		layouts[typ].encode(got, x)
		if len(got) != len(want.Blocks) {
			t.Fatalf("%v: %d bytes, want %d", typ, len(got), len(want.Blocks))
		}
		for at := 0; at < len(got); at += n {
			if !bytes.Equal(got[at:at+n], want.Blocks[at:at+n]) {
				t.Errorf("%v: block %d of %v is\n%x, want\n%x", typ, at/n, x[at/n*blockElements:][:blockElements], got[at:at+n], want.Blocks[at:at+n])
			}
		}
		if !bytes.Equal(float32Bytes(Rounded(typ, x)), want.Values) {
			t.Errorf("%v: the numbers are others", typ)
		}
	}
}

// What is written is the same for any number of processors and any place of its parts.
func TestWriteParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 5*perPart+3*blockElements)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, typ := range Types() {
		want := make([]byte, padded(typ.size(int64(len(x)))))
		layouts[typ].encode(want, x)
		var got bytes.Buffer
		o := output{name: "x", shape: []int{len(x) / blockElements, blockElements}, typ: typ, data: func() []float32 { return x }}
		if err := o.write(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%v: %v", typ, err)
		}
	}
}

// Numbers that blocks cannot hold are named, and those next to nothing are zero.
func TestQuantiseExtremes(t *testing.T) {
	c := modeltest.Config()
	name := arch.LayerParameterName("mlp.up_proj", 1)
	for _, typ := range Types() {
		for _, tt := range []struct {
			value float32
			want  string
		}{
			{float32(math.Inf(-1)), "element 70 is -Inf: only finite numbers can be quantised"},
			{float32(math.NaN()), "element 70 is NaN"},
			{3e7, "elements 64 to 95 are too large for the float16 scale of " + typ.String()},
		} {
			m := sample(c, 1)
			m.Weights[name][70] = tt.value
			_, err := Write(io.Discard, m, typ)
			if layouts[typ].halves == 0 {
				if err != nil {
					t.Errorf("%v of %g: %v", typ, tt.value, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "tensor blk.1.ffn_up.weight: from element 0: "+tt.want) {
				t.Errorf("%v of %g: %v, want %s", typ, tt.value, err, tt.want)
			}
		}
		for _, tiny := range []float32{0, 1e-45, -1e-40, 1e-12} {
			x := slices.Repeat([]float32{tiny, 0}, blockElements/2)
			for _, back := range Rounded(typ, x) {
				if math.Abs(float64(back)) > 1e-7 || math.IsNaN(float64(back)) {
					t.Errorf("%v of %g is %g", typ, tiny, back)
				}
			}
		}
	}
}

// The output matrix stays in 8 bits, norms are float32, and rows that are no blocks float16.
func TestTensorTypes(t *testing.T) {
	for _, tt := range []struct {
		tied                        bool
		ffn                         int
		embedding, head, down, norm Type
	}{
		{true, 64, Q8_0, 0, Q4_0, F32},
		{false, 64, Q4_0, Q8_0, Q4_0, F32},
		{true, 72, Q8_0, 0, F16, F32},
	} {
		c := modeltest.Config()
		c.ShareEmbedding, c.FFNDim = tt.tied, tt.ffn
		raw := written(t, sample(c, 1), Q4_0)
		f, err := parsedFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]Type{
			"token_embd.weight": tt.embedding, "output.weight": tt.head, "blk.1.ffn_down.weight": tt.down, "blk.0.attn_norm.weight": tt.norm,
		} {
			if got, there := f.tensor(name); there && got.Type != want {
				t.Errorf("%s is %v, want %v", name, got.Type, want)
			}
		}
		if want := map[string]any{keyFileType: uint32(2), keyQuantVersion: uint32(2)}; f.Metadata[keyFileType] != want[keyFileType] || f.Metadata[keyQuantVersion] != want[keyQuantVersion] {
			t.Errorf("metadata %v", f.Metadata)
		}
		if got, want := Size(c, Q4_0), int64(len(raw))-f.data; got != want {
			t.Errorf("a size of %d, want %d", got, want)
		}
	}
}

// The weights of a model of 135M parameters on all processors.
func BenchmarkQuantise(b *testing.B) {
	x := make([]float32, 135_000_000)
	for i := range x {
		x[i] = float32(i%251-125) / 1000
	}
	for _, typ := range Types() {
		b.Run(typ.String(), func(b *testing.B) {
			o := output{name: "x", shape: []int{len(x)}, typ: typ, data: func() []float32 { return x }}
			b.SetBytes(4 * int64(len(x)))
			for b.Loop() {
				if err := o.write(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
