//go:build unix

package shadow

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/internal/bfloat16"
)

// array is memory as floats of either type.
type array struct {
	p    unsafe.Pointer
	bf16 bool
}

func arrayOf(b []byte, t engine.DType) array {
	return array{unsafe.Pointer(unsafe.SliceData(b)), t == engine.BF16}
}

func (a array) get(i int) float32 {
	if a.bf16 {
		return bfloat16.Float32(*(*uint16)(unsafe.Add(a.p, 2*i)))
	}
	return *(*float32)(unsafe.Add(a.p, 4*i))
}

func (a array) set(i int, x float32) {
	if a.bf16 {
		*(*uint16)(unsafe.Add(a.p, 2*i)) = bfloat16.Round(x)
		return
	}
	*(*float32)(unsafe.Add(a.p, 4*i)) = x
}

func (a array) add(i int, x float32, adds bool) {
	if adds {
		x += a.get(i)
	}
	a.set(i, x)
}

// there reports whether the operand was given.
func (a array) there() bool { return a.p != nil }

// from is the array behind its first i elements.
func (a array) from(i int) array {
	size := 4
	if a.bf16 {
		size = 2
	}
	return array{unsafe.Add(a.p, size*i), a.bf16}
}

func floats(x []float32) array { return array{unsafe.Pointer(unsafe.SliceData(x)), false} }
