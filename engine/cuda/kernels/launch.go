package kernels

import (
	"fmt"
	"math"

	"mobilellm/engine"
)

// Pointer is a device address; 0 is an operand that is not there.
type Pointer uint64

// Launch is one run of a kernel.
type Launch struct {
	Kernel string
	Grid   [3]int // blocks
	Block  [3]int // threads
	Shared int    // bytes of dynamic shared memory, at most 99 KiB; above 48 KiB the function's limit must be raised first
	Args   []uint64
}

// Threads is the number of threads in a block of most kernels.
const Threads = 256

// launch makes a one-dimensional launch.
func launch(kernel string, blocks, threads int, args ...uint64) Launch {
	return Launch{Kernel: kernel, Grid: [3]int{blocks, 1, 1}, Block: [3]int{threads, 1, 1}, Args: args}
}

// typed is a kernel's name for an element type.
func typed(kernel string, t engine.DType) string {
	switch t {
	case engine.F32:
		return kernel + "_f32"
	case engine.BF16:
		return kernel + "_bf16"
	}
	panic(fmt.Sprintf("kernels: there is no %s of %v", kernel, t))
}

func addr(p Pointer) uint64          { return uint64(p) }
func number(n int) uint64            { return uint64(int64(n)) }
func float(x float32) uint64         { return uint64(math.Float32bits(x)) }
func ceil(a, b int) int              { return (a + b - 1) / b }
func aligned(bytes int64) int64      { return (bytes + 255) &^ 255 }
func (p Pointer) at(b int64) Pointer { return p + Pointer(b) }

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
