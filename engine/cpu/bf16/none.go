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

// Store says what happens to the result.
type Store int

// The ways to store a result.
const (
	Set   Store = 0
	Add   Store = 1
	Round Store = 2
)

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
