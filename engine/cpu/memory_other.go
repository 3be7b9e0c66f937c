//go:build !linux

package cpu

import (
	"unsafe"

	"mobilellm/engine"
)

type heap []uint64

// alloc takes zeroed memory from Go's heap.
func alloc(bytes int64) (engine.Memory, error) { return heap(make([]uint64, (bytes+15)/8)), nil }

func (h heap) Pointer() unsafe.Pointer { return unsafe.Pointer(&h[0]) }

func (h heap) Free() error { return nil }
