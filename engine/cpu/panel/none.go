//go:build !cgo || !amd64

package panel

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/internal/quant"
)

// Available reports whether the processor has the kernels' instructions.
func Available() bool { return false }

func packPanel(dst unsafe.Pointer, w []float32, rows, k int, t engine.DType) {
	packPlain(dst, w, rows, k, t)
}

func product(p Product, x, w, y unsafe.Pointer) { p.plain(x, w, y) }

func quantize(q unsafe.Pointer, rows []quant.Row, x unsafe.Pointer, ldx, k int, s quant.Scheme) {
	quantizePlain(q, rows, x, ldx, k, s)
}

func (p Int8Product) run(q unsafe.Pointer, rows []quant.Row, w, y unsafe.Pointer) {
	p.plain(q, rows, w, y)
}

func scores(a *Attention, s, q []float32) { a.plainScores(s, q) }
func values(a *Attention, y, p []float32) { a.plainValues(y, p) }

func (p Int8Product) each(func(name string, run func(y unsafe.Pointer)), []byte, []quant.Row, unsafe.Pointer) {
}
