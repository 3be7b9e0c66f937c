package cpu

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"mobilellm/engine"
)

type mapping []byte

// alloc maps zeroed memory outside Go's heap, in huge pages where the kernel
// has them to give.
func alloc(bytes int64) (engine.Memory, error) {
	if bytes == 0 {
		bytes = 1
	}
	b, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("cannot map %d bytes: %w", bytes, err)
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // advice only: small pages do as well
	return mapping(b), nil
}

func (m mapping) Pointer() unsafe.Pointer { return unsafe.Pointer(&m[0]) }

func (m mapping) Free() error { return unix.Munmap(m) }
