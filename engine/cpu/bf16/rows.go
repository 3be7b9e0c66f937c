//go:build cgo && amd64

package bf16

/*
#include "kernel.h"
#cgo noescape bf16_swiglu
#cgo nocallback bf16_swiglu
#cgo noescape bf16_swiglu_grad
#cgo nocallback bf16_swiglu_grad
#cgo noescape bf16_exp_rows
#cgo nocallback bf16_exp_rows
#cgo noescape bf16_scale
#cgo nocallback bf16_scale
*/
import "C"

import "unsafe"

// SwiGLU is h = silu(g)·u on n elements.
func SwiGLU(h, g, u unsafe.Pointer, n int) { C.bf16_swiglu(half(h), half(g), half(u), C.int(n)) }

// SwiGLUGrad is the gradient of g and u for that of h.
func SwiGLUGrad(dg, du, g, u, dh unsafe.Pointer, n int) {
	C.bf16_swiglu_grad(half(dg), half(du), half(g), half(u), half(dh), C.int(n))
}

// ExpRows takes n logits s of each row, lds floats apart: e = exp(s − top) in
// bf16, lde apart (unless nil), the largest logit and the total of e before
// rounding.
func ExpRows(e unsafe.Pointer, lde int, s unsafe.Pointer, lds, rows, n int, top, sum unsafe.Pointer) {
	C.bf16_exp_rows(half(e), C.int64_t(lde), float(s), C.int64_t(lds), C.int(rows), C.int(n), float(top), float(sum))
}

// Scale is x *= a on n elements.
func Scale(x unsafe.Pointer, a float32, n int) { C.bf16_scale(half(x), C.float(a), C.int(n)) }
