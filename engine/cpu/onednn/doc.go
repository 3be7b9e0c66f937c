// Package onednn multiplies matrices with Intel's oneDNN library.
//
// The library is opened when it is first wanted (libdnnl.so.3, else .so.2; the
// environment variable MOBILELLM_ONEDNN names another file), against prototypes
// of this package's own: a program builds without its headers and starts
// without the library. Each matmul runs on the calling thread alone; the
// caller splits work over threads and gives each its own Worker number and
// scratch memory. (With the library's own scratchpad one primitive run on two
// threads gives wrong results.)
package onednn

// Type is the element type of a matrix.
type Type int32

// Element types, numbered as in the library.
const (
	BF16 Type = 2
	F32  Type = 3
)

// Desc describes a matmul C[M,N] = A[M,K]·B[K,N] of row-major matrices.
type Desc struct {
	M, N, K        int
	A, B, C        Type
	TransA, TransB bool // A is stored [K,M], B [N,K]
	LDA, LDB, LDC  int  // elements from one stored row to the next
	Accumulate     bool // C += A·B
}

// MaxWorkers is the number of threads that may run one matmul at once.
const MaxWorkers = 64
