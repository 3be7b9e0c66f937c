//go:build cgo && amd64

package bf16

/*
#cgo CFLAGS: -O3
#include "kernel.h"
#cgo noescape bf16_pack
#cgo nocallback bf16_pack
#cgo noescape bf16_pack_transposed
#cgo nocallback bf16_pack_transposed
#cgo noescape bf16_round_pack
#cgo nocallback bf16_round_pack
#cgo noescape bf16_round_pack_transposed
#cgo nocallback bf16_round_pack_transposed
#cgo noescape bf16_pair
#cgo nocallback bf16_pair
#cgo noescape bf16_round_pair
#cgo nocallback bf16_round_pair
#cgo noescape bf16_gemm
#cgo nocallback bf16_gemm
*/
import "C"

import (
	"sync"
	"unsafe"
)

// Available reports whether the processor has the instructions.
var Available = sync.OnceValue(func() bool { return C.bf16_available() != 0 })

func u16(p unsafe.Pointer) *C.uint16_t { return (*C.uint16_t)(p) }

// Pack writes b[k,n], ldb elements from row to row, as panels.
func Pack(dst, b unsafe.Pointer, ldb, k, n int) {
	C.bf16_pack(u16(dst), u16(b), C.int64_t(ldb), C.int(k), C.int(n))
}

// PackTransposed writes b[k,n], stored as [n,k], as panels.
func PackTransposed(dst, b unsafe.Pointer, ldb, k, n int) {
	C.bf16_pack_transposed(u16(dst), u16(b), C.int64_t(ldb), C.int(k), C.int(n))
}

// Pair writes a[k,m], whose columns are to be summed, as pairs of rows.
func Pair(dst, a unsafe.Pointer, lda, k, m int) {
	C.bf16_pair(u16(dst), u16(a), C.int64_t(lda), C.int(k), C.int(m))
}

// Product is c[m,n] = a[m,k]·b for rows of lda elements, lda and k even. depth
// is the number of rows that b was packed with, of which the first k are used.
func Product(m, n, k int, a unsafe.Pointer, lda int, b unsafe.Pointer, depth int, c unsafe.Pointer, ldc int, s Store) {
	CausalProduct(m, n, k, a, lda, b, depth, c, ldc, s, Causal{})
}

// CausalProduct is Product without what no query sees.
func CausalProduct(m, n, k int, a unsafe.Pointer, lda int, b unsafe.Pointer, depth int, c unsafe.Pointer, ldc int, s Store, x Causal) {
	row := C.int64_t(lda / 2)
	C.bf16_gemm(C.int(m), C.int(n), C.int(k), u16(a), row, row, 1, u16(b), C.int64_t(depth), c, C.int64_t(ldc), C.int(s), C.int(x.Side), C.int(x.First))
}

// ProductPaired is Product for a paired left side.
func ProductPaired(m, n, k int, a, b unsafe.Pointer, depth int, c unsafe.Pointer, ldc int, s Store) {
	CausalProductPaired(m, n, k, a, b, depth, c, ldc, s, Causal{})
}

// CausalProductPaired is ProductPaired without what no query sees.
func CausalProductPaired(m, n, k int, a, b unsafe.Pointer, depth int, c unsafe.Pointer, ldc int, s Store, x Causal) {
	strip := C.int64_t((k + 1) / 2)
	C.bf16_gemm(C.int(m), C.int(n), C.int(k), u16(a), strip, 1, strips, u16(b), C.int64_t(depth), c, C.int64_t(ldc), C.int(s), C.int(x.Side), C.int(x.First))
}

// RoundPack is Pack of float32.
func RoundPack(dst, b unsafe.Pointer, ldb, k, n int) {
	C.bf16_round_pack(u16(dst), (*C.float)(b), C.int64_t(ldb), C.int(k), C.int(n))
}

// RoundPackTransposed is PackTransposed of float32.
func RoundPackTransposed(dst, b unsafe.Pointer, ldb, k, n int) {
	C.bf16_round_pack_transposed(u16(dst), (*C.float)(b), C.int64_t(ldb), C.int(k), C.int(n))
}

// RoundPair is Pair of float32.
func RoundPair(dst, a unsafe.Pointer, lda, k, m int) {
	C.bf16_round_pair(u16(dst), (*C.float)(a), C.int64_t(lda), C.int(k), C.int(m))
}
