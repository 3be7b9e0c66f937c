// Package bf16 multiplies bf16 matrices with AVX-512's dot product of bf16
// pairs (VDPBF16PS), for the matmuls that are hard on a library: those
// of attention, which are small and strided, and the gradient of a weight, whose left
// side is transposed. Beside the matmuls it has what attention
// does between them (attention.c), and SwiGLU and the softmax of logits (rows.c).
//
// VDPBF16PS adds, in each of 16 lanes, the products of a pair of elements that
// are neighbours in the summed dimension. So every operand is read as 32-bit
// pairs. The right side must be packed into panels of 32 columns (Pack, or
// PackTransposed where a column's elements lie side by side); the left side is
// used where it is when its rows run along the summed dimension, and paired
// (Pair) when its columns do: rows two by two, in strips of 12 columns, which is
// the height of the tile that stays in registers. Sums are in float32.
//
// The processor's own prefetching follows long runs of memory. What is read in
// short pieces far apart (a head's rows, half a row of gates, the tile of a result
// that is added to) is asked for ahead, by fetch.
package bf16

// Cols is the width of a panel.
const Cols = 32

// PackedLen is the number of bf16 elements of a packed right side of k rows and
// n columns: columns are filled up to whole panels, rows to pairs, with zeros.
func PackedLen(k, n int) int { return (n + Cols - 1) / Cols * Cols * ((k + 1) &^ 1) }

// strips is the number of rows of a result that are computed at once.
const strips = 12

// PairedLen is the number of bf16 elements of a paired left side.
func PairedLen(k, m int) int { return (m + strips - 1) / strips * strips * ((k + 1) &^ 1) }
