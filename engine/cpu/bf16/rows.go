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
#cgo noescape bf16_scale_pieces
#cgo nocallback bf16_scale_pieces
*/
import "C"

import "unsafe"

// SwiGLU is h[rows,f] = silu(g)·u of x[rows,2f], whose columns are g and u.
func SwiGLU(h, x unsafe.Pointer, rows, f int) { C.bf16_swiglu(u16(h), u16(x), C.int(rows), C.int(f)) }

// SwiGLUGrad is the gradient dx of x for that of h.
func SwiGLUGrad(dx, x, dh unsafe.Pointer, rows, f int) {
	C.bf16_swiglu_grad(u16(dx), u16(x), u16(dh), C.int(rows), C.int(f))
}

// ExpRows takes n logits s of each row, lds floats apart: e = exp(s − top) in
// bf16, lde apart (unless nil), the largest logit and the total of e before
// rounding.
func ExpRows(e unsafe.Pointer, lde int, s unsafe.Pointer, lds, rows, n int, top, sum unsafe.Pointer) {
	C.bf16_exp_rows(u16(e), C.int64_t(lde), float(s), C.int64_t(lds), C.int(rows), C.int(n), float(top), float(sum))
}

// ScalePieces is x[i] *= a[i/width] on n elements. width must be a multiple of 32.
func ScalePieces(x, a unsafe.Pointer, width, n int) {
	C.bf16_scale_pieces(u16(x), float(a), C.int(width), C.int(n))
}
