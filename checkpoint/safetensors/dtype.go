package safetensors

import (
	"encoding/binary"
	"math"
	"unsafe"

	"mobilellm/internal/bfloat16"
)

// littleEndian says whether this machine has numbers as the format has them.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// DType is the type of a tensor's elements, as the header spells it.
type DType string

// The types that are converted from and to float32.
const (
	F32  DType = "F32"
	BF16 DType = "BF16"
	F16  DType = "F16"
)

// I8 are integers of 8 bits, which are read and written as they are.
const I8 DType = "I8"

// elementBytes has every type of the format that takes whole bytes. Types other
// than those above can be listed but not read.
var elementBytes = map[DType]int64{
	"BOOL": 1, "U8": 1, I8: 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, F16: 2, BF16: 2,
	"U32": 4, "I32": 4, F32: 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// Size is the bytes that an element takes, 0 for an unknown type.
func (d DType) Size() int64 { return elementBytes[d] }

// Float reports whether tensors of this type can be read to and written from
// float32.
func (d DType) Float() bool { return d == F32 || d == BF16 || d == F16 }

// Encode writes src as elements of type d to dst, whose length is
// len(src)·d.Size().
func (d DType) Encode(dst []byte, src []float32) {
	switch d {
	case F32:
		dst = dst[:4*len(src)]
		if littleEndian {
			copy(dst, asBytes(src))
			return
		}
		for i, x := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
		}
	case BF16:
		dst = dst[:2*len(src)]
		for i, x := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], bfloat16.Round(x))
		}
	case F16:
		dst = dst[:2*len(src)]
		for i, x := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], toF16(x))
		}
	default:
		panic("safetensors: encoding to type " + string(d))
	}
}

func asBytes[T float32 | uint16](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), int(unsafe.Sizeof(*new(T)))*len(x))
}

// Decode reads len(dst) elements of type d from src.
func (d DType) Decode(dst []float32, src []byte) {
	switch d {
	case F32:
		src = src[:4*len(dst)]
		if littleEndian {
			copy(asBytes(dst), src)
			return
		}
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case BF16:
		src = src[:2*len(dst)]
		for i := range dst {
			dst[i] = bfloat16.Float32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case F16:
		src = src[:2*len(dst)]
		for i := range dst {
			h := binary.LittleEndian.Uint16(src[2*i:])
			if e := h & 0x7c00; e == 0 || e == 0x7c00 {
				dst[i] = fromF16(h)
				continue
			}
			dst[i] = math.Float32frombits(uint32(h&0x8000)<<16 | uint32(h&0x7fff)<<13 + 112<<23)
		}
	default:
		panic("safetensors: decoding from type " + string(d))
	}
}

// toF16 rounds to the nearest IEEE half, ties to even; what is too large
// becomes infinity.
func toF16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	magnitude := b & 0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN, kept quiet
		return sign | 0x7e00 | uint16(magnitude>>13&0x1ff)
	case magnitude >= 0x47800000: // 2¹⁶ and above
		return sign | 0x7c00
	case magnitude >= 0x38800000: // normal halves; rounding may carry into infinity
		m := magnitude - 0x38000000 // from exponent bias 127 to 15
		return sign | uint16((m+0xfff+m>>13&1)>>13)
	}
	// Subnormal halves are multiples of 2⁻²⁴. Adding ½ leaves a float32 whose
	// last bit is worth just that, so the addition does the rounding.
	half := math.Float32frombits(magnitude) + 0.5
	return sign | uint16(math.Float32bits(half)-math.Float32bits(0.5))
}

func fromF16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, mantissa := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: mantissa·2⁻²⁴, exact
		return math.Float32frombits(sign | math.Float32bits(float32(mantissa)*0x1p-24))
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | mantissa<<13)
}
