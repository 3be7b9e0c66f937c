// Package panel has the kernels of inference: products of few rows with weights that
// are packed once, and attention on a KV cache.
//
// A weight w[N,K] is packed as panels of [Cols] rows, which lie side by side: in
// float32 panel, k, row of the panel; in bf16 panel, pair of k, row, k of the pair
// (as package bf16 packs a right side). A product of one row of x then reads memory
// from one end to the other, and a panel's results are lanes of two vectors.
//
//	y[m,n] = Σ_k x[m,k]·w[n,k]
//
// Each result is one sum in the order of k, in float32, whatever the number of rows:
// what a sequence gets does not depend on who shares its batch, nor on how its prompt
// was cut. Where the processor has dot products of bf16 pairs, x is rounded to bf16
// and package bf16 multiplies; elsewhere bf16 weights are widened, which is exact.
//
// Kernels are C intrinsics (AVX-512) through cgo; without, the same sums in plain Go.
package panel
