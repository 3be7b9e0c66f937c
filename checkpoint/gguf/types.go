package gguf

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mobilellm/checkpoint/safetensors"
)

// Type is the type of a tensor's elements, by ggml's numbers.
type Type uint32

// The types that are read. Those that [ParseType] knows are written too.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

// The lengths of quantised blocks, in elements.
const (
	blockElements = 32
	superElements = 256
)

// layout is how elements of a type lie in a file: the bytes of a block of so many, how
// they become float32, and for a type that is written how float32 becomes them and how
// many halves a quantised block begins with. src and dst are whole blocks.
type layout struct {
	name            string
	bytes, elements int64
	decode          func(dst []float32, src []byte)
	encode          func(dst []byte, src []float32)
	halves          int64
}

var layouts = map[Type]layout{
	F32:  {"f32", 4, 1, safetensors.F32.Decode, safetensors.F32.Encode, 0},
	F16:  {"f16", 2, 1, safetensors.F16.Decode, safetensors.F16.Encode, 0},
	BF16: {"bf16", 2, 1, safetensors.BF16.Decode, safetensors.BF16.Encode, 0},
	Q4_0: {"q4_0", 2 + 16, blockElements, dequantiseQ4_0, quantiseQ4_0, 1},
	Q4_1: {"q4_1", 2 + 2 + 16, blockElements, dequantiseQ4_1, quantiseQ4_1, 2},
	Q5_0: {"q5_0", 2 + 4 + 16, blockElements, dequantiseQ5_0, quantiseQ5_0, 1},
	Q5_1: {"q5_1", 2 + 2 + 4 + 16, blockElements, dequantiseQ5_1, quantiseQ5_1, 2},
	Q8_0: {"q8_0", 2 + 32, blockElements, dequantiseQ8_0, quantiseQ8_0, 1},
	Q4_K: {"q4_k", 2 + 2 + 12 + 128, superElements, dequantiseQ4_K, nil, 2},
	Q5_K: {"q5_k", 2 + 2 + 12 + 32 + 128, superElements, dequantiseQ5_K, nil, 2},
	Q6_K: {"q6_k", 128 + 64 + 16 + 2, superElements, dequantiseQ6_K, nil, 1},
}

// writable are the types that are written with their values of general.file_type.
var writable = []struct {
	typ      Type
	fileType uint32
}{{F32, 0}, {F16, 1}, {BF16, 32}, {Q8_0, 7}, {Q5_1, 9}, {Q5_0, 8}, {Q4_1, 3}, {Q4_0, 2}}

// Types are those that are written, from the largest to the smallest.
func Types() []Type {
	var list []Type
	for _, w := range writable {
		list = append(list, w.typ)
	}
	return list
}

// fileType is the value of general.file_type.
func (t Type) fileType() uint32 {
	for _, w := range writable {
		if w.typ == t {
			return w.fileType
		}
	}
	panic("gguf: writing " + t.String())
}

// Fits reports whether rows of so many elements can be of the type.
func (t Type) Fits(row int) bool { return int64(row)%layouts[t].elements == 0 }

// otherTypes are names of ggml's types that are not read.
var otherTypes = map[Type]string{
	9: "q8_1", 10: "q2_k", 11: "q3_k", 15: "q8_k", 16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs", 19: "iq1_s", 20: "iq4_nl",
	21: "iq3_s", 22: "iq2_s", 23: "iq4_xs", 24: "i8", 25: "i16", 26: "i32", 27: "i64", 28: "f64", 29: "iq1_m", 34: "tq1_0", 35: "tq2_0", 39: "mxfp4",
}

// ParseType returns the type of that name, one that can be written.
func ParseType(name string) (Type, error) {
	for _, t := range Types() {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown type %q: choose one of %s", name, names(Types()))
}

func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	if name, ok := otherTypes[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// readable lists the names of the types that are read.
func readable() string { return names(slices.Sorted(maps.Keys(layouts))) }

func names(types []Type) string {
	var list []string
	for _, t := range types {
		list = append(list, t.String())
	}
	return strings.Join(list, ", ")
}

// size is the bytes of so many elements.
func (t Type) size(elements int64) int64 {
	l := layouts[t]
	return elements / l.elements * l.bytes
}

// Rounded returns x, whole blocks of t, as reading it back from a file gives it.
func Rounded(t Type, x []float32) []float32 {
	raw, back := make([]byte, t.size(int64(len(x)))), make([]float32, len(x))
	layouts[t].encode(raw, x)
	layouts[t].decode(back, raw)
	return back
}
