package gguf

import (
	"encoding/binary"

	"mobilellm/checkpoint/safetensors"
)

// ggml's blocks of 32 (ggml-common.h): a half d that scales integers q of 4, 5 or 8
// bits and, in the types _1, a half m that is added to them. Of 4 bits, byte j of the
// block holds element j in its low half and element j+16 in its high one; the fifth
// bits are those of one word. Each product and each sum is rounded to float32, as
// gguf-py has them: the conversions keep a compiler from fusing the two.

// half is a float16 as float32.
func half(b []byte) float32 {
	var x [1]float32
	safetensors.F16.Decode(x[:], b[:2])
	return x[0]
}

// dequantiseQ4_0 reads blocks d, q[16]: d·(q−8).
func dequantiseQ4_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[18:] {
		d, q := half(src), src[2:18]
		low, high := dst[:16], dst[16:32]
		for j, b := range q {
			low[j] = d * float32(int(b&15)-8)
			high[j] = d * float32(int(b>>4)-8)
		}
	}
}

// dequantiseQ4_1 reads blocks d, m, q[16]: d·q + m.
func dequantiseQ4_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[20:] {
		d, m, q := half(src), half(src[2:]), src[4:20]
		low, high := dst[:16], dst[16:32]
		for j, b := range q {
			low[j] = float32(d*float32(int(b&15))) + m
			high[j] = float32(d*float32(int(b>>4))) + m
		}
	}
}

// dequantiseQ5_0 reads blocks d, h, q[16]: d·(q + 16·h − 16), bit j of h for element j.
func dequantiseQ5_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[22:] {
		d, h, q := half(src), binary.LittleEndian.Uint32(src[2:]), src[6:22]
		low, high := dst[:16], dst[16:32]
		for j, b := range q {
			low[j] = d * float32(int(uint32(b&15)|h>>j&1<<4)-16)
			high[j] = d * float32(int(uint32(b>>4)|h>>(j+16)&1<<4)-16)
		}
	}
}

// dequantiseQ5_1 reads blocks d, m, h, q[16]: d·(q + 16·h) + m.
func dequantiseQ5_1(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[24:] {
		d, m, h, q := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:]), src[8:24]
		low, high := dst[:16], dst[16:32]
		for j, b := range q {
			low[j] = float32(d*float32(int(uint32(b&15)|h>>j&1<<4))) + m
			high[j] = float32(d*float32(int(uint32(b>>4)|h>>(j+16)&1<<4))) + m
		}
	}
}

// dequantiseQ8_0 reads blocks d, q[32]: d·q.
func dequantiseQ8_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[32:], src[34:] {
		d, to := half(src), dst[:32]
		for j, b := range src[2:34] {
			to[j] = d * float32(int8(b))
		}
	}
}
