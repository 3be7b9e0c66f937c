//go:build !cgo || !linux

package collective

import (
	"errors"
	"unsafe"
)

// NCCL is not in this build.
type NCCL struct{}

var errNoNCCL = errors.New("this program was built without cgo, by which it would load NCCL\nhint: build with a C compiler on Linux")

// OpenNCCL says so.
func OpenNCCL(Group) (*NCCL, error) { return nil, errNoNCCL }

// Version is empty.
func (*NCCL) Version() string { return "" }

// AllReduce is an error.
func (*NCCL) AllReduce(uintptr, int, unsafe.Pointer) error { return errNoNCCL }

// Err is an error.
func (*NCCL) Err() error { return errNoNCCL }

// Abort does nothing.
func (*NCCL) Abort() error { return nil }

// Close does nothing.
func (*NCCL) Close() error { return nil }
