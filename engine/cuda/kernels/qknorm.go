package kernels

import "mobilellm/engine"

// MostQKHeadDim is the largest head whose gradients' sums fit a block's shared memory.
const MostQKHeadDim = 48 << 10 / (warps * 2 * 4)

// QKNorm makes y of x, both [n,(heads+2·kvHeads)·headDim] of type t: each query and key
// divided by its root mean square and multiplied by q or k, float32 [headDim].
//
//	qk_norm_T(y, x, q, k, n, heads, kvHeads, headDim, eps)
func QKNorm(y, x, q, k Pointer, n, heads, kvHeads, headDim int, eps float64, t engine.DType) []Launch {
	return []Launch{launch(typed("qk_norm", t), ceil(n*(heads+2*kvHeads), warps), Threads,
		addr(y), addr(x), addr(q), addr(k), number(n), number(heads), number(kvHeads), number(headDim), float(float32(eps)))}
}

// qkNormRows is the number of tokens that share a partial sum: as few as give no more
// than 1024 sums.
func qkNormRows(n int) int { return max(8, ceil(n, 1024)) }

// QKNormGradientScratch is the number of bytes that QKNormGradient wants.
func QKNormGradientScratch(n, headDim int) int64 {
	return aligned(2 * 4 * int64(ceil(n, qkNormRows(n))) * int64(headDim))
}

// QKNormGradient makes QKNorm's gradients dx, and dq and dk, float32 [headDim], of dy and x.
// Each may be 0; dq and dk are added to what is there where adds says so.
//
//	qk_norm_gradient_T(dx, partsQ, partsK, dy, x, q, k, n, heads, kvHeads, headDim, rows, eps)
//	column_sum(dq, partsQ, blocks, headDim, adds)
func QKNormGradient(dx, dq, dk, dy, x, q, k, scratch Pointer, n, heads, kvHeads, headDim int, eps float64, t engine.DType, addsQ, addsK bool) []Launch {
	rows := qkNormRows(n)
	blocks := ceil(n, rows)
	partsQ, partsK := scratch, scratch+Pointer(4*blocks*headDim)
	l := launch(typed("qk_norm_gradient", t), blocks, Threads,
		addr(dx), addr(partsQ), addr(partsK), addr(dy), addr(x), addr(q), addr(k),
		number(n), number(heads), number(kvHeads), number(headDim), number(rows), float(float32(eps)))
	l.Shared = warps * 2 * 4 * headDim
	list := []Launch{l}
	for _, sum := range []struct {
		to, parts Pointer
		adds      bool
	}{{dq, partsQ, addsQ}, {dk, partsK, addsK}} {
		if sum.to != 0 {
			list = append(list, launch("column_sum", ceil(headDim, 32), 1024, addr(sum.to), addr(sum.parts), number(blocks), number(headDim), flag(sum.adds)))
		}
	}
	return list
}
