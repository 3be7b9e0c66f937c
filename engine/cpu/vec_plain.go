package cpu

import "math"

// The plain forms of the vector kernels, which also finish their last elements.

var negInf = float32(math.Inf(-1))

func widenPlain(dst []float32, src []uint16) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(src[i]) << 16)
	}
}

func narrowPlain(dst []uint16, src []float32) {
	for i, x := range src {
		dst[i] = bf16(x)
	}
}

// bf16 is the upper half of x, rounded to nearest, ties to even.
func bf16(x float32) uint16 {
	u := math.Float32bits(x)
	return uint16((u + 0x7fff + u>>16&1) >> 16)
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

func dot3Plain(x, y, z []float32) float32 {
	var s float32
	for i := range x {
		s += x[i] * y[i] * z[i]
	}
	return s
}

func axpyPlain(dst []float32, a float32, x []float32) {
	for i := range dst {
		dst[i] += a * x[i]
	}
}

func scalePlain(dst []float32, a float32, x []float32) {
	for i := range dst {
		dst[i] = a * x[i]
	}
}

func addPlain(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}

func mulPlain(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] * y[i]
	}
}

func normalizePlain(y, xhat, x, w []float32, r float32, rounds bool) {
	for i := range x {
		h := r * x[i]
		if rounds {
			h = math.Float32frombits(uint32(bf16(h)) << 16)
		}
		xhat[i], y[i] = h, h*w[i]
	}
}

func normalizeGradPlain(dx, base, dw, dy, xhat, w []float32, r, m float32) {
	for i := range dx {
		dw[i] += dy[i] * xhat[i]
		dx[i] = base[i] + r*(dy[i]*w[i]-m*xhat[i])
	}
}

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }

func sigmoidPlain(x float32) float32 { return 1 / (1 + exp32(-x)) }

func swigluPlain(h, g, u []float32) {
	for i, v := range g {
		h[i] = v * u[i] * sigmoidPlain(v)
	}
}

func swigluGradPlain(dg, du, g, u, dh []float32) {
	for i, v := range g {
		s := sigmoidPlain(v)
		t := dh[i] * s
		du[i] = t * v
		dg[i] = t * u[i] * (1 + v*(1-s))
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
		dst[i] = exp32(a*x[i] - b)
		s += dst[i]
	}
	return s
}

func softmaxGradPlain(ds, p, dp []float32, a, delta float32) {
	for i := range ds {
		ds[i] = a * p[i] * (dp[i] - delta)
	}
}

func rotatePlain(dst, x, cos, sin []float32, from int) {
	h := len(cos)
	for i := from; i < h; i++ {
		a, b := x[i], x[h+i]
		dst[i], dst[h+i] = a*cos[i]-b*sin[i], b*cos[i]+a*sin[i]
	}
}
