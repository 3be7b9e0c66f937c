package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/quant"
)

// Blocks of 32 as ggml's quantize_row_*_ref and gguf-py make them: integers come of the
// scale in float32, which is rounded to half only to be stored; each product and each sum
// is rounded to float32. Of a block so small that the scale's inverse is no number, all
// integers are those of zero.

func putHalf(dst []byte, x float32) { safetensors.F16.Encode(dst[:2], []float32{x}) }

// affine quantises a block to q from 0, which stands for the least element, to most,
// which stands for the largest.
func affine(q *[blockElements]byte, x []float32, most int) (scale, least float32) {
	least, largest := x[0], x[0]
	for _, v := range x {
		least, largest = min(least, v), max(largest, v)
	}
	scale = (largest - least) / float32(most)
	inverse := quant.Inverse(scale)
	for i, v := range x {
		q[i] = byte(min(most, int(float32((v-least)*inverse)+0.5)))
	}
	return scale, least
}

// pack writes the four low bits of q: element j in the low half of byte j, j+16 in its high half.
func pack(dst []byte, q *[blockElements]byte) {
	for j := range dst[:16] {
		dst[j] = q[j]&15 | q[j+16]<<4
	}
}

// packFifth writes the fifth bits of q as a word, bit j for element j, and then the others.
func packFifth(dst []byte, q *[blockElements]byte) {
	var h uint32
	for j, v := range q {
		h |= uint32(v>>4&1) << j
	}
	binary.LittleEndian.PutUint32(dst, h)
	pack(dst[4:], q)
}

func quantiseQ4_0(dst []byte, src []float32) {
	var q [blockElements]byte
	for ; len(src) > 0; dst, src = dst[18:], src[32:] {
		putHalf(dst, quant.Block(q[:], src[:32], 8))
		pack(dst[2:], &q)
	}
}

func quantiseQ4_1(dst []byte, src []float32) {
	var q [blockElements]byte
	for ; len(src) > 0; dst, src = dst[20:], src[32:] {
		scale, least := affine(&q, src[:32], 15)
		putHalf(dst, scale)
		putHalf(dst[2:], least)
		pack(dst[4:], &q)
	}
}

func quantiseQ5_0(dst []byte, src []float32) {
	var q [blockElements]byte
	for ; len(src) > 0; dst, src = dst[22:], src[32:] {
		putHalf(dst, quant.Block(q[:], src[:32], 16))
		packFifth(dst[2:], &q)
	}
}

func quantiseQ5_1(dst []byte, src []float32) {
	var q [blockElements]byte
	for ; len(src) > 0; dst, src = dst[24:], src[32:] {
		scale, least := affine(&q, src[:32], 31)
		putHalf(dst, scale)
		putHalf(dst[2:], least)
		packFifth(dst[4:], &q)
	}
}

// quantiseQ8_0 rounds multiples of a 127th of the largest magnitude, halves away from zero.
func quantiseQ8_0(dst []byte, src []float32) {
	for ; len(src) > 0; dst, src = dst[34:], src[32:] {
		var largest float32
		for _, v := range src[:32] {
			largest = max(largest, v, -v)
		}
		scale := largest / 127
		inverse := quant.Inverse(scale)
		putHalf(dst, scale)
		for i, v := range src[:32] {
			dst[2+i] = byte(int8(math.Round(float64(v * inverse))))
		}
	}
}

// checkBlocks is an error where x, encoded as raw, has a number that is not finite, or one
// too large for a block's halves.
func (t Type) checkBlocks(x []float32, raw []byte) error {
	l := layouts[t]
	if l.halves == 0 {
		return nil
	}
	if err := quant.Finite(x); err != nil {
		return err
	}
	for block := range int64(len(raw)) / l.bytes {
		for h := range l.halves {
			if h := half(raw[block*l.bytes+2*h:]); math.IsInf(float64(h), 0) {
				return fmt.Errorf("elements %d to %d are too large for the float16 scale of %v", block*l.elements, (block+1)*l.elements-1, t)
			}
		}
	}
	return nil
}
