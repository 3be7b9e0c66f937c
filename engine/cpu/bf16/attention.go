//go:build cgo && amd64

package bf16

/*
#include "kernel.h"
#cgo noescape bf16_rotate
#cgo nocallback bf16_rotate
#cgo noescape bf16_round_rotate
#cgo nocallback bf16_round_rotate
#cgo noescape bf16_softmax
#cgo nocallback bf16_softmax
#cgo noescape bf16_divide_rows
#cgo nocallback bf16_divide_rows
#cgo noescape bf16_row_dots
#cgo nocallback bf16_row_dots
#cgo noescape bf16_softmax_grad
#cgo nocallback bf16_softmax_grad
#cgo noescape bf16_gather
#cgo nocallback bf16_gather
#cgo noescape bf16_gather_rotate
#cgo nocallback bf16_gather_rotate
*/
import "C"

import "unsafe"

func float(p unsafe.Pointer) *C.float { return (*C.float)(p) }

// Rotate is RoPE on rows of ldx elements, applied to 2·half of them with
// cos and sin [rows, half].
func Rotate(dst unsafe.Pointer, ldd int, x unsafe.Pointer, ldx int, cos, sin unsafe.Pointer, rows, half int) {
	C.bf16_rotate((*C.uint16_t)(dst), C.int64_t(ldd), (*C.uint16_t)(x), C.int64_t(ldx), float(cos), float(sin), C.int(rows), C.int(half))
}

// RoundRotate is Rotate of float32.
func RoundRotate(dst unsafe.Pointer, ldd int, x unsafe.Pointer, ldx int, cos, sin unsafe.Pointer, rows, half int) {
	C.bf16_round_rotate((*C.uint16_t)(dst), C.int64_t(ldd), float(x), C.int64_t(ldx), float(cos), float(sin), C.int(rows), C.int(half))
}

// Softmax replaces each row of scores s, float32, by exp(Scale·s − top) in bf16,
// in the first half of its memory, with zeros for what the query does not see.
// top is the largest Scale·s, sum the row's total.
func (b Block) Softmax(s, top, sum unsafe.Pointer) {
	C.bf16_softmax(float(s), C.int64_t(b.Stride), C.int(b.Queries), C.int(b.Keys), C.int(b.First), (*C.int32_t)(b.From), C.int(b.Skip),
		C.float(b.Scale), float(top), float(sum))
}

// SoftmaxGrad makes p = exp(Scale·s − lse) and ds = Scale·p·(dp − delta) as
// packed right sides of QueriesAreSummed, and ds also row by row, in the first
// half of each row of dp. lse are ldl floats apart.
func (b Block) SoftmaxGrad(p, ds, s, dp, lse unsafe.Pointer, ldl int, delta unsafe.Pointer) {
	C.bf16_softmax_grad(u16(p), u16(ds), float(s), float(dp), C.int64_t(b.Stride), C.int(b.Queries), C.int(b.Keys), C.int(b.First),
		(*C.int32_t)(b.From), C.int(b.Skip), C.float(b.Scale), float(lse), C.int64_t(ldl), float(delta))
}

// DivideRows is dst[r] = o[r]/sum[r] for rows of dim elements, those of dst ldd
// apart.
func DivideRows(dst unsafe.Pointer, ldd int, o, sum unsafe.Pointer, rows, dim int) {
	C.bf16_divide_rows(u16(dst), C.int64_t(ldd), float(o), float(sum), C.int(rows), C.int(dim))
}

// RowDots is dst[r] = Σ x[r]·y[r] for rows of dim elements, ld apart.
func RowDots(dst, x, y unsafe.Pointer, ld, rows, dim int) {
	C.bf16_row_dots(float(dst), u16(x), u16(y), C.int64_t(ld), C.int(rows), C.int(dim))
}

// Gather is dst[n,dim], rows ldd apart, of the total over heads of
// sums[heads][dim][ld], in float32, head floats from head to head.
func Gather(dst unsafe.Pointer, ldd int, sums unsafe.Pointer, ld, head, heads, n, dim int) {
	C.bf16_gather(u16(dst), C.int64_t(ldd), float(sums), C.int64_t(ld), C.int64_t(head), C.int(heads), C.int(n), C.int(dim))
}

// GatherRotate is Gather of 2·halfDim elements, with RoPE of cos and sin applied
// [n, halfDim].
func GatherRotate(dst unsafe.Pointer, ldd int, sums unsafe.Pointer, ld, head, heads, n, halfDim int, cos, sin unsafe.Pointer) {
	C.bf16_gather_rotate(u16(dst), C.int64_t(ldd), float(sums), C.int64_t(ld), C.int64_t(head), C.int(heads), C.int(n), C.int(halfDim), float(cos), float(sin))
}
