package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	"mobilellm/checkpoint/safetensors"
)

// Type is the type of a tensor's elements, by ggml's numbers.
type Type uint32

// The types that are written and read.
const (
	F32  Type = 0
	F16  Type = 1
	Q8_0 Type = 8 // blocks of 32: a half scale and 32 int8
	BF16 Type = 30
)

// blockElements is the length of a quantised block.
const blockElements = 32

// typeInfo is a type's name, its value of general.file_type, and the bytes of a
// block of so many elements.
var typeInfo = map[Type]struct {
	name            string
	fileType        uint32
	bytes, elements int64
}{
	F32: {"f32", 0, 4, 1}, F16: {"f16", 1, 2, 1}, BF16: {"bf16", 32, 2, 1}, Q8_0: {"q8_0", 7, 34, blockElements},
}

// ParseType returns the type of that name.
func ParseType(name string) (Type, error) {
	for t, info := range typeInfo {
		if info.name == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown type %q: choose f32, f16, bf16 or q8_0", name)
}

func (t Type) String() string {
	if info, ok := typeInfo[t]; ok {
		return info.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// encode appends src, a whole number of blocks.
func (t Type) encode(dst []byte, src []float32) []byte {
	info := typeInfo[t]
	at := len(dst)
	dst = append(dst, make([]byte, int64(len(src))/info.elements*info.bytes)...)
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

// decode reads len(dst) elements, a whole number of blocks.
func (t Type) decode(dst []float32, src []byte) {
	switch t {
	case F32:
		safetensors.F32.Decode(dst, src)
	case F16:
		safetensors.F16.Decode(dst, src)
	case BF16:
		safetensors.BF16.Decode(dst, src)
	case Q8_0:
		var scale [1]float32
		for ; len(dst) > 0; dst, src = dst[blockElements:], src[34:] {
			safetensors.F16.Decode(scale[:], src[:2])
			for i := range blockElements {
				dst[i] = scale[0] * float32(int8(src[2+i]))
			}
		}
	default:
		panic("gguf: decoding from " + t.String())
	}
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
	var half [2]byte
	safetensors.F16.Encode(half[:], []float32{scale})
	binary.LittleEndian.PutUint16(dst, binary.LittleEndian.Uint16(half[:]))
	for i, x := range src {
		dst[2+i] = byte(int8(math.Round(float64(x * inverse)))) // halves away from zero
	}
}

// Rounded returns x, whole blocks of t, as reading it back from a file gives it.
func Rounded(t Type, x []float32) []float32 {
	back := make([]float32, len(x))
	t.decode(back, t.encode(nil, x))
	return back
}
