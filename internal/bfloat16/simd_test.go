//go:build goexperiment.simd && amd64

package bfloat16

import (
	"math"
	"simd/archsimd"
	"testing"
)

// roundsAlike compares Store and Load with Round and Float32.
func roundsAlike(t *testing.T, bits *[16]uint32) {
	t.Helper()
	var x, back [16]float32
	for i, b := range bits {
		x[i] = math.Float32frombits(b)
	}
	var got [16]uint16
	Store(&got, archsimd.LoadFloat32x16(&x))
	Load(&got).Store(&back)
	archsimd.ClearAVXUpperBits()
	for i := range x {
		if want := Round(x[i]); got[i] != want {
			t.Fatalf("%#x is stored as %#x, want %#x", bits[i], got[i], want)
		}
		if b, want := math.Float32bits(back[i]), uint32(got[i])<<16; b != want {
			t.Fatalf("%#x is loaded as %#x, want %#x", got[i], b, want)
		}
	}
}

// The vectors round as the numbers one by one do: each upper half (every sign,
// exponent, subnormal, infinity and NaN) with lower halves at and around 0, a tie
// and the next number.
func TestVectorsRoundAlike(t *testing.T) {
	if !archsimd.X86.AVX512() {
		t.Skip("needs a processor with AVX-512")
	}
	lower := [16]uint32{0, 1, 2, 0x3fff, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0x8002, 0xbfff, 0xfffe, 0xffff, 0x5555, 0xaaaa, 0x1234, 0xfedc}
	for upper := range uint32(1 << 16) {
		bits := lower
		for i := range bits {
			bits[i] |= upper << 16
		}
		roundsAlike(t, &bits)
	}
}
