//go:build !cgo || !linux

package onednn

import (
	"errors"
	"unsafe"
)

var errNone = errors.New("onednn: built without cgo")

// Open reports that the library cannot be used.
func Open() error { return errNone }

// Version is empty without the library.
func Version() string { return "" }

// SingleThread does nothing without the library.
func SingleThread() {}

// Matmul is never made without the library.
type Matmul struct{}

// New reports that the library cannot be used.
func New(Desc) (*Matmul, error) { return nil, errNone }

// Scratch is never called without the library.
func (*Matmul) Scratch() int64 { return 0 }

// Impl is never called without the library.
func (*Matmul) Impl() string { return "" }

// Run is never called without the library.
func (*Matmul) Run(_ int, _, _, _, _ unsafe.Pointer) { panic(errNone) }
