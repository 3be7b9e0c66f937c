package gguf

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/filemap"
)

// Every type gives the bits that the gguf package gives; of what is no number only
// that.
func TestDequantiseGolden(t *testing.T) {
	var golden map[string]struct{ Blocks, Values []byte }
	load(t, "testdata/dequantised.json", &golden)
	for typ, l := range layouts {
		g, ok := golden[l.name]
		if !ok {
			t.Errorf("%v has no golden values", typ)
			continue
		}
		got := make([]float32, int64(len(g.Blocks))/l.bytes*l.elements)
		if len(g.Values) != 4*len(got) || len(got) < 32 {
			t.Fatalf("%v: %d bytes are %d values, want %d", typ, len(g.Blocks), len(got), len(g.Values)/4)
		}
		l.decode(got, g.Blocks)
		for i, x := range got {
			want := math.Float32frombits(binary.LittleEndian.Uint32(g.Values[4*i:]))
			if math.Float32bits(x) != math.Float32bits(want) && !(x != x && want != want) {
				t.Fatalf("%v: element %d is %v, want %v", typ, i, x, want)
			}
		}
	}
	if len(golden) != len(layouts) {
		t.Errorf("golden values are of %v", slices.Sorted(maps.Keys(golden)))
	}
}

// bit is bit n of bytes.
func bit(b []byte, n int) float64 { return float64(b[n/8] >> (n % 8) & 1) }

// bits4 is half n of bytes, the low halves of a run of `run` bytes before the high
// ones.
func bits4(b []byte, n, run int) float64 {
	at := n/(2*run)*run + n%run
	if n%(2*run) < run {
		return float64(b[at] & 15)
	}
	return float64(b[at] >> 4)
}

// six is the number of six bits that g of a k-quant's scales (from 0) or minima (from
// 8) is, as ggml's comments have it.
func six(s []byte, g int) float64 {
	if kind, i := g/8, g%8; i < 4 {
		return float64(s[4*kind+i] % 64)
	} else {
		return float64(s[8+i-4]>>(4*kind)%16) + 16*float64(s[4*kind+i-4]/64)
	}
}

// element is element i of a block by the formulas of the types, one at a time and
// rounded where ggml rounds.
func element(typ Type, b []byte, i int) float32 {
	h := func(at int) float32 {
		var x [1]float32
		safetensors.F16.Decode(x[:], b[at:at+2])
		return x[0]
	}
	product := func(a float32, q float64) float32 { return a * float32(q) }
	switch typ {
	case F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case F16:
		return h(0)
	case BF16:
		return math.Float32frombits(uint32(b[0])<<16 | uint32(b[1])<<24)
	case Q4_0:
		return product(h(0), bits4(b[2:], i, 16)-8)
	case Q4_1:
		return product(h(0), bits4(b[4:], i, 16)) + h(2)
	case Q5_0:
		return product(h(0), bits4(b[6:], i, 16)+16*bit(b[2:], i)-16)
	case Q5_1:
		return product(h(0), bits4(b[8:], i, 16)+16*bit(b[4:], i)) + h(2)
	case Q8_0:
		return product(h(0), float64(int8(b[2+i])))
	case Q4_K:
		g := i / 32
		return product(product(h(0), six(b[4:], g)), bits4(b[16:], i, 32)) - product(h(2), six(b[4:], 8+g))
	case Q5_K:
		g := i / 32
		q := bits4(b[48:], i, 32) + 16*bit(b[16+i%32:], g)
		return product(product(h(0), six(b[4:], g)), q) - product(h(2), six(b[4:], 8+g))
	case Q6_K:
		high := b[128+i/128*32+i%32] >> (i % 128 / 32 * 2) % 4
		q := bits4(b, i, 64) + 16*float64(high) - 32
		return product(product(h(208), float64(int8(b[192+i/16]))), q)
	}
	panic("gguf: " + typ.String())
}

func agree(t *testing.T, typ Type, raw []byte) {
	t.Helper()
	l := layouts[typ]
	got := make([]float32, int64(len(raw))/l.bytes*l.elements)
	l.decode(got, raw)
	for i, x := range got {
		n := int64(i)
		want := element(typ, raw[n/l.elements*l.bytes:][:l.bytes], int(n%l.elements))
		if math.Float32bits(x) != math.Float32bits(want) && !(x != x && want != want) {
			t.Fatalf("%v: element %d of %x is %v, want %v", typ, i, raw, x, want)
		}
	}
}

// FuzzDequantise holds each type's loops to its formula.
func FuzzDequantise(f *testing.F) {
	for typ, l := range layouts {
		raw := make([]byte, 2*l.bytes)
		for i := range raw {
			raw[i] = byte(37*i + int(typ))
		}
		f.Add(uint32(typ), raw)
	}
	f.Fuzz(func(t *testing.T, typ uint32, raw []byte) {
		l, ok := layouts[Type(typ)]
		if !ok {
			return
		}
		agree(t, Type(typ), raw[:int64(len(raw))/l.bytes*l.bytes])
	})
}

// A tensor is read in parts, and rows go where the order says.
func TestReadParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for typ, l := range layouts {
		const rows, width = 700, 512
		raw := make([]byte, typ.size(rows*width))
		for i := range raw {
			raw[i] = byte(r.Uint32())
		}
		f := &File{file: filemap.Bytes(raw)}
		tensor := Tensor{Name: "x", Shape: []int{rows, width}, Type: typ, bytes: int64(len(raw))}
		want, got, turned := make([]float32, rows*width), make([]float32, rows*width), make([]float32, rows*width)
		l.decode(want, raw)
		if err := f.read(tensor, got, nil); err != nil {
			t.Fatal(err)
		}
		if err := f.read(tensor, turned, func(row int) int { return rows - 1 - row }); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			bits := math.Float32bits(want[i])
			if math.Float32bits(got[i]) != bits || math.Float32bits(turned[(rows-1-i/width)*width+i%width]) != bits {
				t.Fatalf("%v: element %d is %v, %v turned, want %v", typ, i, got[i], turned[(rows-1-i/width)*width+i%width], want[i])
			}
		}
	}
}

// The weights of a model of 135M parameters on all processors.
func BenchmarkDequantise(b *testing.B) {
	const rows, width = 135_000_000 / 576, 576
	for _, typ := range []Type{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0} {
		b.Run(typ.String(), func(b *testing.B) {
			raw := make([]byte, typ.size(rows*width))
			f := &File{file: filemap.Bytes(raw)}
			tensor := Tensor{Name: "x", Shape: []int{rows, width}, Type: typ, bytes: int64(len(raw))}
			dst := make([]float32, rows*width)
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if err := f.read(tensor, dst, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
