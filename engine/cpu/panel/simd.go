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
#cgo noescape panel_pack_int8
#cgo nocallback panel_pack_int8
#cgo noescape panel_quantize
#cgo nocallback panel_quantize
#cgo noescape panel_product_int8
#cgo nocallback panel_product_int8
*/
import "C"

import (
	"sync"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/internal/quant"
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
	if t == engine.I8 {
		C.panel_pack_int8(dst, first(w), C.int(rows), C.int(k))
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

// vnni reports whether the processor adds products of bytes in one instruction.
var vnni = sync.OnceValue(func() bool { return C.panel_vnni() != 0 })

var schemes = map[quant.Scheme]C.int{quant.Symmetric: C.PANEL_SYMMETRIC, quant.Asymmetric: C.PANEL_ASYMMETRIC, quant.Compressed: C.PANEL_COMPRESSED}

func rowsOf(r []quant.Row) *C.panel_row { return (*C.panel_row)(unsafe.Pointer(unsafe.SliceData(r))) }

func quantize(q unsafe.Pointer, rows []quant.Row, x unsafe.Pointer, ldx, k int, s quant.Scheme) {
	if !Available() {
		quantizePlain(q, rows, x, ldx, k, s)
		return
	}
	C.panel_quantize(C.int(len(rows)), C.int(k), floats(x), C.int64_t(ldx), q, rowsOf(rows), schemes[s])
}

func (p Int8Product) run(q unsafe.Pointer, rows []quant.Row, w, y unsafe.Pointer) {
	if !Available() {
		p.plain(q, rows, w, y)
		return
	}
	p.kernel(vnni(), q, rows, w, y)
}

func (p Int8Product) kernel(vnni bool, q unsafe.Pointer, rows []quant.Row, w, y unsafe.Pointer) {
	C.panel_product_int8(b2i(vnni), C.int(p.M), C.int(p.N), C.int(p.K), q, rowsOf(rows), w, floats(y), C.int64_t(p.LDY), b2i(p.Add))
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

// each gives every kernel that the processor has to f, for tests.
func (p Int8Product) each(f func(name string, run func(y unsafe.Pointer)), q []byte, rows []quant.Row, w unsafe.Pointer) {
	for _, v := range []bool{false, true} {
		if Available() && (!v || vnni()) {
			f(map[bool]string{false: "AVX-512", true: "VNNI"}[v], func(y unsafe.Pointer) { p.kernel(v, unsafe.Pointer(&q[0]), rows, w, y) })
		}
	}
}
