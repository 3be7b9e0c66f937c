//go:build !goexperiment.simd || !amd64

package cpu

const avx512 = false

func widen(dst []float32, src []uint16)  { widenPlain(dst, src) }
func narrow(dst []uint16, src []float32) { narrowPlain(dst, src) }
func dot(x, y []float32) float32         { return dotPlain(x, y) }
func total(x []float32) float32          { return totalPlain(x) }
func dot3(x, y, z []float32) float32     { return dot3Plain(x, y, z) }

func axpy(dst []float32, a float32, x []float32)  { axpyPlain(dst, a, x) }
func scale(dst []float32, a float32, x []float32) { scalePlain(dst, a, x) }
func add(dst, x, y []float32)                     { addPlain(dst, x, y) }
func mul(dst, x, y []float32)                     { mulPlain(dst, x, y) }

func normalize(y, xhat, x, w []float32, r float32, rounds bool) {
	normalizePlain(y, xhat, x, w, r, rounds)
}

func normalizeGrad(dx, base, dw, dy, xhat, w []float32, r, m float32) {
	normalizeGradPlain(dx, base, dw, dy, xhat, w, r, m)
}

func swiglu(h, g, u []float32)                          { swigluPlain(h, g, u) }
func swigluGrad(dg, du, g, u, dh []float32)             { swigluGradPlain(dg, du, g, u, dh) }
func largest(x []float32) float32                       { return largestPlain(x) }
func expSum(dst, x []float32, a, b float32) float32     { return expSumPlain(dst, x, a, b) }
func softmaxGrad(ds, p, dp []float32, a, delta float32) { softmaxGradPlain(ds, p, dp, a, delta) }
func rotate(dst, x, cos, sin []float32)                 { rotatePlain(dst, x, cos, sin, 0) }
