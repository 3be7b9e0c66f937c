package kernels

import "mobilellm/engine"

// SwiGLU makes h[N,F] = silu(g)·u of x[N,2F], whose columns are g and u, all of
// type t.
//
//	swiglu_T(h, x, f)
func SwiGLU(h, x Pointer, n, f int, t engine.DType) []Launch {
	return []Launch{launch(typed("swiglu", t), n, rowThreads(f, 8), addr(h), addr(x), number(f))}
}

// SwiGLUGradient makes dx[N,2F] of x[N,2F] and dh[N,F], all of type t.
//
//	swiglu_gradient_T(dx, x, dh, f)
func SwiGLUGradient(dx, x, dh Pointer, n, f int, t engine.DType) []Launch {
	return []Launch{launch(typed("swiglu_gradient", t), n, rowThreads(f, 8), addr(dx), addr(x), addr(dh), number(f))}
}

// ReLU makes y = max(x, 0) of n elements of type t.
//
//	relu_T(y, x, n)
func ReLU(y, x Pointer, n int, t engine.DType) []Launch {
	return []Launch{elementwise(typed("relu", t), n, addr(y), addr(x))}
}

// ReLUGradient makes dx, which is dy where x is positive and 0 elsewhere, n
// elements of type t.
//
//	relu_gradient_T(dx, x, dy, n)
func ReLUGradient(dx, x, dy Pointer, n int, t engine.DType) []Launch {
	return []Launch{elementwise(typed("relu_gradient", t), n, addr(dx), addr(x), addr(dy))}
}
