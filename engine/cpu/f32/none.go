//go:build !cgo || !amd64

package f32

import "unsafe"

// Available reports whether the processor has the instructions.
func Available() bool { return false }

const none = "f32: not available"

// pack is never called where Available is false.
func pack(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// packTransposed is never called where Available is false.
func packTransposed(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// strip is never called where Available is false.
func strip(_, _ unsafe.Pointer, _, _, _ int) { panic(none) }

// multiply is never called where Available is false.
func multiply(Desc, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer) { panic(none) }
