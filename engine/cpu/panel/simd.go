//go:build cgo && amd64

package panel

/*
#cgo CFLAGS: -O3
#include "kernel.h"
#cgo noescape panel_pack
#cgo nocallback panel_pack
#cgo noescape panel_product
#cgo nocallback panel_product
#cgo noescape panel_scores
#cgo nocallback panel_scores
#cgo noescape panel_values
#cgo nocallback panel_values
*/
import "C"

import (
	"sync"
	"unsafe"

	"mobilellm/engine"
)

// Available reports whether the processor has the kernels' instructions.
var Available = sync.OnceValue(func() bool { return C.panel_available() != 0 })

func b2i(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func floats(p unsafe.Pointer) *C.float { return (*C.float)(p) }

func packPanel(dst unsafe.Pointer, w []float32, rows, k int, t engine.DType) {
	if !Available() {
		packPlain(dst, w, rows, k, t)
		return
	}
	C.panel_pack(dst, first(w), C.int(rows), C.int(k), b2i(t == engine.BF16))
}

func product(p Product, x, w, y unsafe.Pointer) {
	if !Available() {
		p.plain(x, w, y)
		return
	}
	C.panel_product(C.int(p.M), C.int(p.N), C.int(p.K), floats(x), C.int64_t(p.LDX), w, b2i(p.Type == engine.BF16), floats(y), C.int64_t(p.LDY), b2i(p.Add))
}

func scores(a *Attention, s, q []float32) {
	if !Available() {
		a.plainScores(s, q)
		return
	}
	C.panel_scores(C.int(a.G), C.int(a.D), C.int(a.N), b2i(a.Type == engine.BF16), a.Cache, C.int64_t(a.Block), ids(a.Table), C.int64_t(a.LD), first(s), first(q))
}

func values(a *Attention, y, p []float32) {
	if !Available() {
		a.plainValues(y, p)
		return
	}
	C.panel_values(C.int(a.G), C.int(a.D), C.int(a.N), b2i(a.Type == engine.BF16), a.Cache, C.int64_t(a.Block), ids(a.Table), C.int64_t(a.LD), first(y), first(p))
}

func first(x []float32) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(x))) }
func ids(x []int32) *C.int32_t   { return (*C.int32_t)(unsafe.Pointer(unsafe.SliceData(x))) }
