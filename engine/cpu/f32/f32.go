//go:build cgo && amd64

package f32

/*
#cgo CFLAGS: -O3
#include "kernel.h"
#cgo noescape f32_pack
#cgo nocallback f32_pack
#cgo noescape f32_pack_transposed
#cgo nocallback f32_pack_transposed
#cgo noescape f32_strip
#cgo nocallback f32_strip
#cgo noescape f32_gemm
#cgo nocallback f32_gemm
*/
import "C"

import (
	"sync"
	"unsafe"
)

// Available reports whether the processor has the instructions.
var Available = sync.OnceValue(func() bool { return C.f32_available() != 0 })

func float(p unsafe.Pointer) *C.float { return (*C.float)(p) }

// pack writes b[k,n], ldb elements from row to row, as panels of packedLen elements.
func pack(dst, b unsafe.Pointer, ldb, k, n int) {
	C.f32_pack(float(dst), float(b), C.int64_t(ldb), C.int(k), C.int(n))
}

// packTransposed writes b[k,n], stored as [n,k], as panels.
func packTransposed(dst, b unsafe.Pointer, ldb, k, n int) {
	C.f32_pack_transposed(float(dst), float(b), C.int64_t(ldb), C.int(k), C.int(n))
}

// strip writes a[k,m], whose columns are rows of a result, as strips of stripLen
// elements.
func strip(dst, a unsafe.Pointer, lda, k, m int) {
	C.f32_strip(float(dst), float(a), C.int64_t(lda), C.int(k), C.int(m))
}

// multiply is d's matmul of a, strips where d.TransA, and a packed b, of which d.LDA
// (for strips) and d.LDB say nothing.
func multiply(d Desc, a, b, c unsafe.Pointer) {
	strip, row, step, add := rows*d.LDA, d.LDA, 1, C.int(0)
	if d.TransA {
		strip, row, step = rows*d.K, 1, rows
	}
	if d.Add {
		add = 1
	}
	C.f32_gemm(C.int(d.M), C.int(d.N), C.int(d.K), float(a), C.int64_t(strip), C.int64_t(row), C.int64_t(step),
		float(b), float(c), C.int64_t(d.LDC), add, C.int(d.Side), C.int(d.First))
}
