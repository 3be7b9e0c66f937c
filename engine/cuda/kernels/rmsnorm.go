package kernels

import "mobilellm/engine"

// warps is the number of rows that a block of Threads takes at a time, one a
// warp.
const warps = Threads / 32

// RMSNorm makes y[N,C] = x̂·w, x̂[N,C] = x·r and r[N] = 1/√(mean(x²)+ε) of x[N,C]
// and w[C]; y and x̂ are of type t, the others float32. y is made from the rounded
// x̂. Each of y, x̂ and r may be 0.
//
//	rmsnorm_T(y, xhat, r, x, w, n, c, eps)
func RMSNorm(y, xhat, r, x, w Pointer, n, c int, eps float64, t engine.DType) []Launch {
	return []Launch{launch(typed("rmsnorm", t), ceil(n, warps), Threads,
		addr(y), addr(xhat), addr(r), addr(x), addr(w), number(n), number(c), float(float32(eps)))}
}

// normRows is the number of rows that share a partial sum of dw: a multiple of
// warps, and so many that there are no more than 1024 sums.
func normRows(n int) int { return max(64, ceil(ceil(n, 1024), warps)*warps) }

// RMSNormGradientScratch is the number of bytes that RMSNormGradient wants.
func RMSNormGradientScratch(n, c int) int64 {
	return aligned(4 * int64(ceil(n, normRows(n))) * int64(c))
}

// RMSNormGradient makes dx[N,C] = r·(g − x̂·mean(g·x̂)) with g = dy·w, and
// dw[C] = Σₙ dy·x̂. dy and x̂, [N,C], are of type t, the others float32. dx and dw
// may be 0; each is added to what is there where adds says so.
//
//	rmsnorm_gradient_T(dx, parts, dy, xhat, r, w, n, c, rows, addsDX)
//	column_sum(dw, parts, blocks, c, addsDW)
func RMSNormGradient(dx, dw, dy, xhat, r, w, scratch Pointer, n, c int, t engine.DType, addsDX, addsDW bool) []Launch {
	rows := normRows(n)
	blocks := ceil(n, rows)
	parts := scratch
	if dw == 0 {
		parts = 0
	}
	l := launch(typed("rmsnorm_gradient", t), blocks, Threads,
		addr(dx), addr(parts), addr(dy), addr(xhat), addr(r), addr(w), number(n), number(c), number(rows), flag(addsDX))
	if dw == 0 {
		return []Launch{l}
	}
	l.Shared = 4 * c
	return []Launch{l, launch("column_sum", ceil(c, 32), 1024, addr(dw), addr(parts), number(blocks), number(c), flag(addsDW))}
}

// Scale makes y[N,C] = x[N,C]·w[C], y and x of type t, w float32.
//
//	scale_T(y, x, w, c)
func Scale(y, x, w Pointer, n, c int, t engine.DType) []Launch {
	return []Launch{launch(typed("scale", t), n, rowThreads(c, 8), addr(y), addr(x), addr(w), number(c))}
}

// rowThreads is the size of a block that takes a row of c elements, some at a
// time.
func rowThreads(c, vector int) int {
	return min(Threads, ceil(ceil(c, vector), 32)*32)
}
