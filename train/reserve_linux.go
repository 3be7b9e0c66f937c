package train

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"mobilellm/engine"
)

type reservation []byte

// reserve takes addresses without memory behind them, for plans of programs that
// may be larger than the machine.
func (planDevice) reserve(bytes int64) (engine.Memory, error) {
	b, err := unix.Mmap(-1, 0, int(max(bytes, 1)), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("cannot reserve %d bytes: %w", bytes, err)
	}
	return reservation(b), nil
}

func (r reservation) Pointer() unsafe.Pointer { return unsafe.Pointer(&r[0]) }

func (r reservation) Free() error { return unix.Munmap(r) }
