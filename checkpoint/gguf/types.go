package gguf

import (
	"fmt"
	"math"
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

// layout is how elements of a type lie in a file: the bytes of a block of so many, and
// how they become float32. src and dst are whole blocks.
type layout struct {
	name            string
	bytes, elements int64
	decode          func(dst []float32, src []byte)
}

var layouts = map[Type]layout{
	F32:  {"f32", 4, 1, safetensors.F32.Decode},
	F16:  {"f16", 2, 1, safetensors.F16.Decode},
	BF16: {"bf16", 2, 1, safetensors.BF16.Decode},
	Q4_0: {"q4_0", 2 + 16, blockElements, dequantiseQ4_0},
	Q4_1: {"q4_1", 2 + 2 + 16, blockElements, dequantiseQ4_1},
	Q5_0: {"q5_0", 2 + 4 + 16, blockElements, dequantiseQ5_0},
	Q5_1: {"q5_1", 2 + 2 + 4 + 16, blockElements, dequantiseQ5_1},
	Q8_0: {"q8_0", 2 + 32, blockElements, dequantiseQ8_0},
	Q4_K: {"q4_k", 2 + 2 + 12 + 128, superElements, dequantiseQ4_K},
	Q5_K: {"q5_k", 2 + 2 + 12 + 32 + 128, superElements, dequantiseQ5_K},
	Q6_K: {"q6_k", 128 + 64 + 16 + 2, superElements, dequantiseQ6_K},
}

// fileTypes are the values of general.file_type of the types that are written.
var fileTypes = map[Type]uint32{F32: 0, F16: 1, Q8_0: 7, BF16: 32}

// otherTypes are names of ggml's types that are not read.
var otherTypes = map[Type]string{
	9: "q8_1", 10: "q2_k", 11: "q3_k", 15: "q8_k", 16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs", 19: "iq1_s", 20: "iq4_nl",
	21: "iq3_s", 22: "iq2_s", 23: "iq4_xs", 24: "i8", 25: "i16", 26: "i32", 27: "i64", 28: "f64", 29: "iq1_m", 34: "tq1_0", 35: "tq2_0", 39: "mxfp4",
}

// ParseType returns the type of that name, one that can be written.
func ParseType(name string) (Type, error) {
	for t := range fileTypes {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown type %q: choose f32, f16, bf16 or q8_0", name)
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
func readable() string {
	var types []Type
	for t := range layouts {
		types = append(types, t)
	}
	slices.Sort(types)
	var names []string
	for _, t := range types {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// size is the bytes of so many elements.
func (t Type) size(elements int64) int64 {
	l := layouts[t]
	return elements / l.elements * l.bytes
}

// encode appends src, a whole number of blocks.
func (t Type) encode(dst []byte, src []float32) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, t.size(int64(len(src))))...)
	switch t {
	case F32:
		safetensors.F32.Encode(dst[at:], src)
	case F16:
		safetensors.F16.Encode(dst[at:], src)
	case BF16:
		safetensors.BF16.Encode(dst[at:], src)
	case Q8_0:
		for ; len(src) > 0; src, at = src[blockElements:], at+34 {
			quantise(dst[at:at+34], src[:blockElements])
		}
	default:
		panic("gguf: encoding to " + t.String())
	}
	return dst
}

// quantise writes a block of q8_0: the scale is a 127th of the largest magnitude,
// rounded to half after the integers were made with the exact one, as ggml does.
func quantise(dst []byte, src []float32) {
	var largest float32
	for _, x := range src {
		largest = max(largest, float32(math.Abs(float64(x))))
	}
	scale := largest / 127
	var inverse float32
	if scale != 0 {
		inverse = 1 / scale
	}
	safetensors.F16.Encode(dst[:2], []float32{scale})
	for i, x := range src {
		dst[2+i] = byte(int8(math.Round(float64(x * inverse)))) // halves away from zero
	}
}

// Rounded returns x, whole blocks of t, as reading it back from a file gives it.
func Rounded(t Type, x []float32) []float32 {
	back := make([]float32, len(x))
	layouts[t].decode(back, t.encode(nil, x))
	return back
}
