//go:build !cgo || !amd64

package panel

import (
	"unsafe"

	"mobilellm/engine"
)

// Available reports whether the processor has the kernels' instructions.
func Available() bool { return false }

func packPanel(dst unsafe.Pointer, w []float32, rows, k int, t engine.DType) {
	packPlain(dst, w, rows, k, t)
}

func product(p Product, x, w, y unsafe.Pointer) { p.plain(x, w, y) }

func scores(a *Attention, s, q []float32) { a.plainScores(s, q) }
func values(a *Attention, y, p []float32) { a.plainValues(y, p) }
