//go:build goexperiment.simd && amd64

package bfloat16

import "simd/archsimd"

// Numbers and widths of shifts from memory: as constants each would come by an
// instruction of SSE's, and between vectors of 512 bits those cost some processors (Intel's of
// family 6, model 207) a hundred cycles each.
var ones, biases, quiets, halves = sixteen(1), sixteen(roundingBias), sixteen(quiet), sixteen(16)

func sixteen(x uint32) *[16]uint32 {
	v := new([16]uint32)
	for i := range v {
		v[i] = x
	}
	return v
}

// Store is Round of 16 elements, bit for bit. It needs AVX-512.
func Store(dst *[16]uint16, x archsimd.Float32x16) {
	bits := x.AsUint32x16()
	upper := bits.ShiftRight(archsimd.LoadUint32x16(halves))
	odd := upper.And(archsimd.LoadUint32x16(ones))
	rounded := bits.Add(archsimd.LoadUint32x16(biases)).Add(odd).ShiftRight(archsimd.LoadUint32x16(halves))
	nan := upper.Or(archsimd.LoadUint32x16(quiets))
	rounded.Merge(nan, x.Equal(x)).TruncateToUint16().Store(dst)
}

// Load is Float32 of 16 elements. It needs AVX-512.
func Load(src *[16]uint16) archsimd.Float32x16 {
	return archsimd.LoadUint16x16(src).ExtendToUint32().ShiftLeft(archsimd.LoadUint32x16(halves)).AsFloat32x16()
}
