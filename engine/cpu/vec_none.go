//go:build !goexperiment.simd || !amd64

package cpu

const avx512 = false

func convert[D, S elem](dst []D, x []S) { convertPlain(dst, x) }

func dot(x, y []float32) float32                     { return dotPlain(x, y) }
func total(x []float32) float32                      { return totalPlain(x) }
func dot3[E elem](x []E, w []float32, y []E) float32 { return dot3Plain(x, w, y) }
func axpy(dst []float32, a float32, x []float32)     { axpyPlain(dst, a, x) }
func scale[D elem](dst []D, a float32, x []float32)  { scalePlain(dst, a, x) }
func add(dst, x, y []float32)                        { addPlain(dst, x, y) }
func mul[E elem](dst, x []E, w []float32)            { mulPlain(dst, x, w) }
func swiglu(h, g, u []float32)                       { swigluPlain(h, g, u) }
func swigluGrad(dg, du, g, u, dh []float32)          { swigluGradPlain(dg, du, g, u, dh) }
func largest(x []float32) float32                    { return largestPlain(x) }

func normalize[E elem](y, xhat []E, x, w []float32, r float32) { normalizePlain(y, xhat, x, w, r) }

func normalizeGrad[E elem](dx, base, dw []float32, dy, xhat []E, w []float32, r, m float32) {
	normalizeGradPlain(dx, base, dw, dy, xhat, w, r, m)
}

func expSum(dst, x []float32, a, b float32) float32 { return expSumPlain(dst, x, a, b) }

func softmaxGrad(p, ds []float32, s, dp []float32, a, lse, delta float32) {
	softmaxGradPlain(p, ds, s, dp, a, lse, delta)
}

func rotate(dst, x, cos, sin []float32) { rotatePlain(dst, x, cos, sin, 0) }
