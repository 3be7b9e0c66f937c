//go:build goexperiment.simd && amd64

package cpu

import "simd/archsimd"

// combine is dst = a·x + b·y. dst may lie where x or y does.
func combine[D elem](dst []D, a float32, x []float32, b float32, y []float32) {
	n := body(len(dst))
	va, vb := all(a), all(b)
	for i := 0; i < n; i += 16 {
		put(dst, i, va.MulAdd(at(x, i), vb.Mul(at(y, i))))
	}
	archsimd.ClearAVXUpperBits()
	combinePlain(dst[n:], a, x[n:], b, y[n:])
}
