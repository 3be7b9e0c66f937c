// Package f32 multiplies float32 matrices with AVX-512, for the matmuls of attention,
// which are hard on a library: small, strided, and half of what they give is seen by no
// query. A tile of 12 rows and 32 columns stays in registers; the right side is packed
// into panels of 32 columns; the left side is used where it is, or packed into strips of 12
// where its columns are the result's rows. Package bf16 has the same for bf16.
package f32

import "unsafe"

// Desc is a matmul C[M,N] = A·B, rows LDA, LDB and LDC elements apart. TransA and TransB
// say that A lies as [K,M] and B as [N,K].
type Desc struct {
	M, N, K       int
	TransA        bool
	TransB        bool
	LDA, LDB, LDC int
	Add           bool // to what C holds
	Side          Side
	First         int // of a block's queries: query r sees the keys up to First+r
}

// Side is where a matmul's queries and keys are; it decides what is left out.
type Side int

// The sides. What no query sees is not written or not summed; at the edge of a tile it
// is taken for zero, so the caller clears it 12 rows or keys far.
const (
	Everything       Side = iota // not causal
	KeysAreColumns               // queries are rows of the result
	KeysAreSummed                // queries are rows of the result
	QueriesAreSummed             // keys are rows of the result
)

// A tile's rows, the width of a strip, and columns, the width of a panel.
const (
	rows = 12
	cols = 32
)

// packedLen is the number of elements of a packed right side of k rows and n columns.
func packedLen(k, n int) int { return k * filled(n, cols) }

// stripLen is the number of elements of m columns of k rows in strips.
func stripLen(k, m int) int { return k * filled(m, rows) }

func filled(n, unit int) int { return (n + unit - 1) / unit * unit }

// Product is a matmul of one shape on sides that it packs itself.
type Product struct{ Desc }

// Scratch is the memory, in bytes, that Run wants: the packed sides.
func (p Product) Scratch() int64 {
	n := packedLen(p.K, p.N)
	if p.TransA {
		n += stripLen(p.K, p.M)
	}
	return 4 * int64(n)
}

// Run multiplies. The worker's number does not matter.
func (p Product) Run(_ int, a, b, c, scratch unsafe.Pointer) {
	if p.TransB {
		packTransposed(scratch, b, p.LDB, p.K, p.N)
	} else {
		pack(scratch, b, p.LDB, p.K, p.N)
	}
	if p.TransA {
		left := unsafe.Add(scratch, 4*packedLen(p.K, p.N))
		strip(left, a, p.LDA, p.K, p.M)
		a = left
	}
	multiply(p.Desc, a, scratch, c)
}
