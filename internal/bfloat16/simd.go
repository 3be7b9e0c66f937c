//go:build goexperiment.simd && amd64

package bfloat16

import "simd/archsimd"

// Store is Round of 16 elements, bit for bit. It needs AVX-512.
func Store(dst *[16]uint16, x archsimd.Float32x16) {
	bits := x.AsUint32x16()
	upper := bits.ShiftAllRight(16)
	odd := upper.And(archsimd.BroadcastUint32x16(1))
	rounded := bits.Add(archsimd.BroadcastUint32x16(roundingBias)).Add(odd).ShiftAllRight(16)
	nan := upper.Or(archsimd.BroadcastUint32x16(quiet))
	rounded.Merge(nan, x.Equal(x)).TruncateToUint16().Store(dst)
}

// Load is Float32 of 16 elements. It needs AVX-512.
func Load(src *[16]uint16) archsimd.Float32x16 {
	return archsimd.LoadUint16x16(src).ExtendToUint32().ShiftAllLeft(16).AsFloat32x16()
}
