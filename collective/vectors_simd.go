//go:build goexperiment.simd && amd64

package collective

import (
	"simd/archsimd"

	"mobilellm/internal/bfloat16"
)

var avx512 = archsimd.X86.AVX512()

// body is the part of n elements that vectors cover.
func body(n int) int {
	if !avx512 {
		return 0
	}
	return n &^ 15
}

// add is dst += x.
func add(dst, x []float32) {
	n := body(len(dst))
	for i := 0; i < n; i += 16 {
		d := (*[16]float32)(dst[i:])
		archsimd.LoadFloat32x16(d).Add(archsimd.LoadFloat32x16((*[16]float32)(x[i:]))).Store(d)
	}
	archsimd.ClearAVXUpperBits()
	addPlain(dst[n:], x[n:])
}

// roundTo rounds x to bf16.
func roundTo(dst []uint16, x []float32) {
	n := body(len(dst))
	for i := 0; i < n; i += 16 {
		bfloat16.Store((*[16]uint16)(dst[i:]), archsimd.LoadFloat32x16((*[16]float32)(x[i:])))
	}
	archsimd.ClearAVXUpperBits()
	roundPlain(dst[n:], x[n:])
}

// widenTo is x in float32.
func widenTo(dst []float32, x []uint16) {
	n := body(len(dst))
	for i := 0; i < n; i += 16 {
		bfloat16.Load((*[16]uint16)(x[i:])).Store((*[16]float32)(dst[i:]))
	}
	archsimd.ClearAVXUpperBits()
	widenPlain(dst[n:], x[n:])
}
