package bf16

import "unsafe"

// Store says what happens to the result.
type Store int

// The ways to store a result.
const (
	Set   Store = 0 // float32
	Add   Store = 1 // float32, added to what is there
	Round Store = 2 // bf16
)

// Causal says what a matmul of attention leaves out: query r of a block sees
// the keys up to First+r, counted from the matmul's first key.
type Causal struct {
	Side  Side
	First int
}

// Side is where a matmul's queries and keys are.
type Side int

// The sides.
const (
	Everything       Side = iota // not causal
	KeysAreColumns               // queries are rows of the result: scores that no query sees are not written
	KeysAreSummed                // queries are rows of the left side
	QueriesAreSummed             // queries are rows of the right side, keys columns of the result
)

// Block is a block of queries of one head beside the keys from Skip on.
type Block struct {
	Queries int            // rows of scores
	Keys    int            // columns, of which query r sees those up to First+r
	First   int            // of the block, counted from key Skip
	Stride  int            // floats from row to row, a multiple of Cols
	From    unsafe.Pointer // the first key that each query sees, int32, counted from 0; nil for 0
	Skip    int            // keys left out
	Scale   float32        // 1/√D
}
