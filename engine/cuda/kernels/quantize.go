package kernels

import (
	"mobilellm/engine"
	"mobilellm/internal/quant"
)

// QuantizeKind is the number by which kernels know a rule, and the two that it works with.
func QuantizeKind(r quant.Rule) (kind int, a, b float32) {
	a, b = r.Kernel()
	switch r.Method {
	case quant.LSQ:
		kind = 3
		if r.Bits == 1 {
			kind = 4
		}
	case quant.SEQ:
		kind = 5
	case quant.Sign:
		kind = 6
		if r.Scaled {
			kind = 7
		}
	default:
		kind = map[quant.Scheme]int{quant.Symmetric: 0, quant.Asymmetric: 1, quant.Compressed: 2}[r.Scheme]
	}
	return kind, a, b
}

// Quantize makes y[N,C] of x[N,C], of type t, by a rule; alpha[N] is 0 where it learns
// nothing.
//
//	quantize_T(y, x, alpha, c, kind, a, b)
func Quantize(y, x, alpha Pointer, n, c int, r quant.Rule, t engine.DType) []Launch {
	kind, a, b := QuantizeKind(r)
	return []Launch{launch(typed("quantize", t), n, rowThreads(c, 4), addr(y), addr(x), addr(alpha), number(c), number(kind), float(a), float(b))}
}

// QuantizeGradient makes dx[N,C] of x[N,C] and dy[N,C], of type t, and dalpha[N], scaled as
// the rule says; both may be 0, and are added to what is there where adds says so.
//
//	quantize_gradient_T(dx, dalpha, x, dy, alpha, c, kind, a, b, by, addsDX, addsDAlpha)
func QuantizeGradient(dx, dalpha, x, dy, alpha Pointer, n, c int, r quant.Rule, t engine.DType, addsDX, addsDAlpha bool) []Launch {
	kind, a, b := QuantizeKind(r)
	return []Launch{launch(typed("quantize_gradient", t), n, rowThreads(c, 4), addr(dx), addr(dalpha), addr(x), addr(dy), addr(alpha), number(c),
		number(kind), float(a), float(b), float(float32(r.GradientScale(n*c))), flag(addsDX), flag(addsDAlpha))}
}
