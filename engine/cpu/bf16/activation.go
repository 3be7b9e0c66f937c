//go:build cgo && amd64

package bf16

/*
#include "kernel.h"
#cgo noescape bf16_swiglu
#cgo nocallback bf16_swiglu
#cgo noescape bf16_swiglu_grad
#cgo nocallback bf16_swiglu_grad
*/
import "C"

import "unsafe"

// SwiGLU is h = silu(g)·u on n elements.
func SwiGLU(h, g, u unsafe.Pointer, n int) { C.bf16_swiglu(half(h), half(g), half(u), C.int(n)) }

// SwiGLUGrad is the gradient of g and u for that of h.
func SwiGLUGrad(dg, du, g, u, dh unsafe.Pointer, n int) {
	C.bf16_swiglu_grad(half(dg), half(du), half(g), half(u), half(dh), C.int(n))
}
