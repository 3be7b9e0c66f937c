package cuda

import (
	"time"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
)

// Driver is what a device needs of CUDA. All its methods are called on one OS
// thread, the one that opened it; work goes to one stream and is done in order.
type Driver interface {
	// Name is the GPU's, with the versions of driver and libraries.
	Name() string
	// BF16 reports whether tensor cores multiply bf16.
	BF16() bool
	// Memory is the size of the GPU's memory and what of it is free, in bytes.
	Memory() (free, total int64)

	// Alloc takes memory, whose contents are arbitrary.
	Alloc(bytes int64) (kernels.Pointer, error)
	Free(p kernels.Pointer) error
	// Clear enqueues zeros.
	Clear(p kernels.Pointer, bytes int64) error
	// Copy enqueues a copy within the GPU's memory.
	Copy(dst, src kernels.Pointer, bytes int64) error
	// Upload enqueues a copy of src, which may be written again when it returns.
	Upload(dst kernels.Pointer, src []byte) error
	// Download waits for what was enqueued before it.
	Download(dst []byte, src kernels.Pointer) error

	// Stream is the CUDA stream that the work goes to, nil where there is none.
	Stream() unsafe.Pointer

	// Launch enqueues a kernel.
	Launch(l kernels.Launch) error
	// Plan chooses how a matmul is computed.
	Plan(p Product) (Plan, error)
	// Multiply enqueues c = scale·a·b, or adds that to c, with the workspace of the plan.
	Multiply(p Plan, a, b, c, workspace kernels.Pointer, accumulate bool) error

	// Capture records what f enqueues in place of running it.
	Capture(f func()) (engine.Recording, error)

	// Mark enqueues that the time is noted as the i-th.
	Mark(i int) error
	// Elapsed waits for mark j and returns the time since mark i.
	Elapsed(i, j int) (time.Duration, error)

	Close() error
}

// Product is a matmul of row-major matrices, C[M,N] = Scale·A[M,K]·B[K,N]. A
// transposed operand is stored [K,M] or [N,K]. LDA, LDB and LDC are the elements
// from row to row as stored. Sums are in float32.
type Product struct {
	M, N, K        int
	AB, C          engine.DType // of A and B; of C: float32 for both, or bf16 into either
	TransA, TransB bool
	LDA, LDB, LDC  int
	Align          int     // bytes that every address is a multiple of, at most 256
	Scale          float32 // 0 for 1
}

// Factor is what a product is scaled by.
func (p Product) Factor() float32 {
	if p.Scale == 0 {
		return 1
	}
	return p.Scale
}

// Plan is a chosen way to compute a matmul.
type Plan interface {
	// Workspace is the number of bytes that Multiply needs beside the matrices.
	Workspace() int64
}
