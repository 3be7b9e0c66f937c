// Tiles of bf16 in shared memory for attention on tensor cores, [rows][D+8]: with
// that stride the eight rows of a matrix lie in different banks. D is the head size
// rounded up; columns from the true size d on hold zeros.
#pragma once
#include "tensorcore.cuh"

const int ATTENTION_THREADS = 128, ATTENTION_WARPS = ATTENTION_THREADS / WARP;
const float LOG2E = 1.4426950408889634f;

// Sizes are a variant's tiles; attentiontiles.go holds the same numbers. A block
// makes `rows` queries walking through tiles of `tile` keys; dQ likewise; dK and dV
// of `dkv_rows` keys walking through tiles of queries.
template <int D> struct Sizes;
template <> struct Sizes<32> {
	static const int rows = 128, tile = 64, dq_rows = 128, dq_tile = 32, dkv_rows = 128, dkv_tile = 32;
};
template <> struct Sizes<64> {
	static const int rows = 128, tile = 64, dq_rows = 128, dq_tile = 32, dkv_rows = 64, dkv_tile = 64;
};
template <> struct Sizes<96> {
	static const int rows = 128, tile = 32, dq_rows = 64, dq_tile = 64, dkv_rows = 64, dkv_tile = 32;
};
template <> struct Sizes<128> {
	static const int rows = 128, tile = 32, dq_rows = 64, dq_tile = 32, dkv_rows = 64, dkv_tile = 32;
};

// copy_tile starts copies of rows first to first+count−1 of a matrix whose row r
// begins at from + r·stride; rows from end on become zeros.
template <int D>
__device__ __forceinline__ void copy_tile(bf16* tile, const bf16* from, int64_t stride, int first, int count, int end, int d) {
	const int pieces = D / 8; // of 16 bytes in a row
	for (int i = threadIdx.x; i < count * pieces; i += ATTENTION_THREADS) {
		int row = i / pieces, column = i % pieces * 8;
		bool there = first + row < end && column < d;
		copy16(tile + row * (D + 8) + column, there ? from + (first + row) * stride + column : from, there);
	}
}

// The addresses that this lane gives to load_matrices: for A from rows of a tile;
// for B = tileᵀ, 16 columns of it, from rows of a tile; for B = tile, 16 columns,
// transposed.
template <int D> __device__ __forceinline__ const bf16* rows_of_a(const bf16* tile, int row, int k) {
	int lane = threadIdx.x % WARP;
	return tile + (row + lane % 16) * (D + 8) + k + lane / 16 * 8;
}
template <int D> __device__ __forceinline__ const bf16* rows_of_bt(const bf16* tile, int column, int k) {
	int lane = threadIdx.x % WARP;
	return tile + (column + lane % 8 + lane / 16 * 8) * (D + 8) + k + lane / 8 % 2 * 8;
}
template <int D> __device__ __forceinline__ const bf16* rows_of_b(const bf16* tile, int k, int column) {
	int lane = threadIdx.x % WARP;
	return tile + (k + lane % 16) * (D + 8) + column + lane / 16 * 8;
}

// scores sets s[M·16, N] = a·bᵀ for the warp's rows of a[·,D], from `row` on, and
// all rows of b[N,D].
template <int D, int M, int N> __device__ __forceinline__ void scores(float (&s)[M][N / 8][4], const bf16* a, int row, const bf16* b) {
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int n = 0; n < N / 8; n++)
#pragma unroll
			for (int e = 0; e < 4; e++) s[m][n][e] = 0;
#pragma unroll
	for (int k = 0; k < D; k += 16) {
		uint32_t left[M][4];
#pragma unroll
		for (int m = 0; m < M; m++) load_matrices(left[m], rows_of_a<D>(a, row + 16 * m, k));
#pragma unroll
		for (int n = 0; n < N; n += 16) {
			uint32_t right[4];
			load_matrices(right, rows_of_bt<D>(b, n, k));
#pragma unroll
			for (int m = 0; m < M; m++) {
				mma(s[m][n / 8], left[m], right[0], right[1]);
				mma(s[m][n / 8 + 1], left[m], right[2], right[3]);
			}
		}
	}
}

// accumulate adds p[M·16, N]·b[N,D] to o[M·16, D]. p, rounded to bf16, is used from
// the registers where scores left it.
template <int D, int M, int N>
__device__ __forceinline__ void accumulate(float (&o)[M][D / 8][4], const float (&p)[M][N / 8][4], const bf16* b) {
#pragma unroll
	for (int k = 0; k < N; k += 16) {
		uint32_t left[M][4];
#pragma unroll
		for (int m = 0; m < M; m++) {
			left[m][0] = round2(p[m][k / 8][0], p[m][k / 8][1]);
			left[m][1] = round2(p[m][k / 8][2], p[m][k / 8][3]);
			left[m][2] = round2(p[m][k / 8 + 1][0], p[m][k / 8 + 1][1]);
			left[m][3] = round2(p[m][k / 8 + 1][2], p[m][k / 8 + 1][3]);
		}
#pragma unroll
		for (int n = 0; n < D; n += 16) {
			uint32_t right[4];
			load_transposed(right, rows_of_b<D>(b, k, n));
#pragma unroll
			for (int m = 0; m < M; m++) {
				mma(o[m][n / 8], left[m], right[0], right[1]);
				mma(o[m][n / 8 + 1], left[m], right[2], right[3]);
			}
		}
	}
}

// clear sets an accumulator to 0.
template <int M, int N> __device__ __forceinline__ void clear(float (&o)[M][N][4]) {
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int n = 0; n < N; n++)
#pragma unroll
			for (int e = 0; e < 4; e++) o[m][n][e] = 0;
}

// row_of and column_of are where element e of the accumulator's part [m][n] lies,
// within the warp's rows.
__device__ __forceinline__ int row_of(int m, int e) { return 16 * m + threadIdx.x % WARP / 4 + e / 2 * 8; }
__device__ __forceinline__ int column_of(int n, int e) { return 8 * n + threadIdx.x % 4 * 2 + e % 2; }

// stage writes an accumulator times a factor to float32 rows [·][D+8] of shared
// memory, from `row` on.
template <int D, int M> __device__ __forceinline__ void stage(float* to, const float (&o)[M][D / 8][4], int row, float factor) {
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int n = 0; n < D / 8; n++)
#pragma unroll
			for (int e = 0; e < 4; e++) to[(row + row_of(m, e)) * (D + 8) + column_of(n, e)] = factor * o[m][n][e];
}

// write_rows rounds staged rows first to end−1 of a sequence to their places, row t
// beginning at to + t·stride; with angles, [T, d/2], it turns them back first.
template <int D>
__device__ __forceinline__ void write_rows(bf16* to, int64_t stride, const float* staged, int first, int end, int d, const float* cos,
	const float* sin) {
	int half = d / 2, pairs = d / 4; // of neighbours in half a row
	for (int i = threadIdx.x; i < (end - first) * pairs; i += ATTENTION_THREADS) {
		int row = i / pairs, column = i % pairs * 2, t = first + row;
		const float* x = staged + row * (D + 8) + column;
		float a0 = x[0], a1 = x[1], b0 = x[half], b1 = x[half + 1];
		if (cos) {
			int64_t at = (int64_t)t * half + column;
			float c0 = cos[at], c1 = cos[at + 1], s0 = sin[at], s1 = sin[at + 1];
			float u0 = a0 * c0 + b0 * s0, u1 = a1 * c1 + b1 * s1;
			b0 = b0 * c0 - a0 * s0;
			b1 = b1 * c1 - a1 * s1;
			a0 = u0;
			a1 = u1;
		}
		bf16* y = to + t * stride + column;
		*reinterpret_cast<uint32_t*>(y) = round2(a0, a1);
		*reinterpret_cast<uint32_t*>(y + half) = round2(b0, b1);
	}
}

// first_key is the first key that any of the queries first to end−1 sees.
__device__ __forceinline__ int first_key(const int* starts, int first, int end) {
	if (!starts) return 0;
	int s = 0x7fffffff;
	for (int t = first + threadIdx.x % WARP; t < end; t += WARP) s = min(s, starts[t]);
	return warp_min(s);
}
