//go:build !cgo || !amd64

package bf16

import "unsafe"

// Available reports whether the processor has the instructions.
func Available() bool { return false }

const none = "bf16: not available"

// Pack is never called where Available is false.
func Pack(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// PackTransposed is never called where Available is false.
func PackTransposed(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// Pair is never called where Available is false.
func Pair(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// Product is never called where Available is false.
func Product(_, _, _ int, _ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _ Store) {
	panic(none)
}

// ProductPaired is never called where Available is false.
func ProductPaired(_, _, _ int, _, _ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _ Store) {
	panic(none)
}

// RoundPack is never called where Available is false.
func RoundPack(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// RoundPackTransposed is never called where Available is false.
func RoundPackTransposed(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// RoundPair is never called where Available is false.
func RoundPair(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// CausalProduct is never called where Available is false.
func CausalProduct(_, _, _ int, _ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _ Store, _ Causal) {
	panic(none)
}

// CausalProductPaired is never called where Available is false.
func CausalProductPaired(_, _, _ int, _, _ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _ Store, _ Causal) {
	panic(none)
}

// Rotate is never called where Available is false.
func Rotate(_ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _, _ unsafe.Pointer, _, _ int) {
	panic(none)
}

// RoundRotate is never called where Available is false.
func RoundRotate(_ unsafe.Pointer, _ int, _ unsafe.Pointer, _ int, _, _ unsafe.Pointer, _, _ int) {
	panic(none)
}

// Softmax is never called where Available is false.
func (b Block) Softmax(_, _, _ unsafe.Pointer) { panic(none) }

// SoftmaxGrad is never called where Available is false.
func (b Block) SoftmaxGrad(_, _, _, _, _ unsafe.Pointer, _ int, _ unsafe.Pointer) { panic(none) }

// DivideRows is never called where Available is false.
func DivideRows(_ unsafe.Pointer, _ int, _, _ unsafe.Pointer, _, _ int) { panic(none) }

// RowDots is never called where Available is false.
func RowDots(_, _, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// Gather is never called where Available is false.
func Gather(_ unsafe.Pointer, _ int, _ unsafe.Pointer, _, _, _, _, _ int) { panic(none) }

// GatherRotate is never called where Available is false.
func GatherRotate(_ unsafe.Pointer, _ int, _ unsafe.Pointer, _, _, _, _, _ int, _, _ unsafe.Pointer) {
	panic(none)
}

// SwiGLU is never called where Available is false.
func SwiGLU(_, _ unsafe.Pointer, _, _ int) { panic(none) }

// SwiGLUGrad is never called where Available is false.
func SwiGLUGrad(_, _, _ unsafe.Pointer, _, _ int) { panic(none) }

// ExpRows is never called where Available is false.
func ExpRows(_ unsafe.Pointer, _ int, _ unsafe.Pointer, _, _, _ int, _, _ unsafe.Pointer) {
	panic(none)
}

// ScalePieces is never called where Available is false.
func ScalePieces(_, _ unsafe.Pointer, _, _ int) { panic(none) }
