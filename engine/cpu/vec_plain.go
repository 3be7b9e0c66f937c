package cpu

import (
	"math"
	"unsafe"

	"mobilellm/internal/bfloat16"
)

// elem is how a row keeps its elements: float32, or the upper halves of
// float32, which is bf16. All kernels compute in float32.
type elem interface{ float32 | uint16 }

// value is an element as a number.
func value[E elem](e E) float32 {
	if unsafe.Sizeof(e) == 4 {
		return *(*float32)(unsafe.Pointer(&e))
	}
	return bfloat16.Float32(*(*uint16)(unsafe.Pointer(&e)))
}

// set stores a number in an element; bf16 rounds to nearest, ties to even.
func set[E elem](e *E, x float32) {
	if unsafe.Sizeof(*e) == 4 {
		*(*float32)(unsafe.Pointer(e)) = x
		return
	}
	*(*uint16)(unsafe.Pointer(e)) = bfloat16.Round(x)
}

// The plain forms of the vector kernels, which also finish their last elements.

var negInf = float32(math.Inf(-1))

func convertPlain[D, S elem](dst []D, x []S) {
	for i := range dst {
		set(&dst[i], value(x[i]))
	}
}

func dotPlain(x, y []float32) float32 {
	var s float32
	for i := range x {
		s += x[i] * y[i]
	}
	return s
}

func totalPlain(x []float32) float32 {
	var s float32
	for _, v := range x {
		s += v
	}
	return s
}

func dot3Plain[E elem](x []E, w []float32, y []E) float32 {
	var s float32
	for i := range x {
		s += value(x[i]) * w[i] * value(y[i])
	}
	return s
}

func axpyPlain(dst []float32, a float32, x []float32) {
	for i := range dst {
		dst[i] += a * x[i]
	}
}

func scalePlain[D elem](dst []D, a float32, x []float32) {
	for i := range dst {
		set(&dst[i], a*x[i])
	}
}

func addPlain(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}

func mulPlain[E elem](dst, x []E, w []float32) {
	for i := range dst {
		set(&dst[i], value(x[i])*w[i])
	}
}

func normalizePlain[E elem](y, xhat []E, x, w []float32, r float32) {
	for i := range x {
		set(&xhat[i], r*x[i])
		set(&y[i], value(xhat[i])*w[i])
	}
}

func normalizeGradPlain[E elem](dx, base, dw []float32, dy, xhat []E, w []float32, r, m float32) {
	for i := range dx {
		g, h := value(dy[i]), value(xhat[i])
		dw[i] += g * h
		dx[i] = base[i] + r*(g*w[i]-m*h)
	}
}

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }

func sigmoidPlain(x float32) float32 { return 1 / (1 + exp32(-x)) }

func swigluPlain(h, g, u []float32) {
	for i := range h {
		h[i] = g[i] * u[i] * sigmoidPlain(g[i])
	}
}

func swigluGradPlain(dg, du, g, u, dh []float32) {
	for i := range dh {
		s := sigmoidPlain(g[i])
		t := dh[i] * s
		du[i], dg[i] = t*g[i], t*u[i]*(1+g[i]*(1-s))
	}
}

func largestPlain(x []float32) float32 {
	m := negInf
	for _, v := range x {
		m = max(m, v)
	}
	return m
}

func expSumPlain(dst, x []float32, a, b float32) float32 {
	var s float32
	for i := range dst {
		e := exp32(a*x[i] - b)
		dst[i] = e
		s += e
	}
	return s
}

func softmaxGradPlain(p, ds []float32, s, dp []float32, a, lse, delta float32) {
	for i := range p {
		e := exp32(a*s[i] - lse)
		p[i], ds[i] = e, a*e*(dp[i]-delta)
	}
}

func rotatePlain(dst, x, cos, sin []float32, from int) {
	h := len(cos)
	for i := from; i < h; i++ {
		a, b := x[i], x[h+i]
		dst[i], dst[h+i] = a*cos[i]-b*sin[i], b*cos[i]+a*sin[i]
	}
}
