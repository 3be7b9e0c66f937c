// The gradient of attention on tensor cores (FlashAttention-2, Dao, 2023). With
// P = exp(S − lse) and delta = rowsum(dO∘O): dV = Pᵀ·dO, dS = P∘(dO·Vᵀ − delta),
// dQ = scale·dS·K, dK = scale·dSᵀ·Q; dQ and dK are then turned back. One kernel walks
// through keys for dQ and another through queries for dK and dV, which makes S twice
// but needs no atomic addition.
// Shapes: B sequences, T tokens of each, N = B·T, H heads, K kv heads, D head size.
#include "attentiontiles.cuh"

// delta[N·H] of out and dout, [N·H,d]. A warp takes a row.
template <typename E>
__device__ __forceinline__ void attention_delta(float* delta, const E* out, const E* dout, int64_t rows, int64_t d) {
	int64_t row = (int64_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
	if (row >= rows) return;
	out += row * d;
	dout += row * d;
	float sum = 0;
	for (int64_t i = threadIdx.x % WARP; i < d; i += WARP) sum += value(out[i]) * value(dout[i]);
	sum = warp_sum(sum);
	if (threadIdx.x % WARP == 0) delta[row] = sum;
}

KERNEL attention_delta_f32(float* delta, const float* out, const float* dout, int64_t rows, int64_t d) {
	attention_delta(delta, out, dout, rows, d);
}
EXPORT(attention_delta_f32)
KERNEL attention_delta_bf16(float* delta, const bf16* out, const bf16* dout, int64_t rows, int64_t d) {
	attention_delta(delta, out, dout, rows, d);
}
EXPORT(attention_delta_bf16)

// The queries' columns of dqkv[N,(H+2K)·D], of turned[N,(H+K)·D], the values in
// qkv[N,(H+2K)·D], dout[N,H·D], lse and delta, [N,H], and the angles' cos and sin,
// [T,D/2]. A block takes the queries of one head.
template <int D>
__device__ __forceinline__ void attention_dq(bf16* dqkv, const bf16* turned, const bf16* qkv, const bf16* dout, const float* lse,
	const float* delta, const float* cos, const float* sin, const int* starts, int T, int H, int K, int d, float scale) {
	const int ROWS = Sizes<D>::dq_rows, TILE = Sizes<D>::dq_tile, M = ROWS / (16 * ATTENTION_WARPS);
	DYNAMIC_SHARED(shared);
	bf16* queries = reinterpret_cast<bf16*>(shared); // [ROWS][D+8]
	bf16* douts = queries + ROWS * (D + 8);          // [ROWS][D+8]
	bf16* keys = douts + ROWS * (D + 8);             // two stages of [TILE][D+8]
	bf16* values = keys + 2 * TILE * (D + 8);        // likewise
	int block = gridDim.x - 1 - blockIdx.x, head = blockIdx.y, kv = head / (H / K);
	int first = block * ROWS, end = min(first + ROWS, T);
	int64_t batch = (int64_t)blockIdx.z * T;
	int64_t turned_stride = (int64_t)(H + K) * d, stride = (int64_t)(H + 2 * K) * d;
	const bf16* k = turned + batch * turned_stride + (H + kv) * d;
	const bf16* v = qkv + batch * stride + (H + K + kv) * d;
	if (starts) starts += batch;
	int warp_row = threadIdx.x / WARP * 16 * M;

	int from = first_key(starts, first, end) / TILE, to = (end - 1) / TILE;
	copy_tile<D>(queries, turned + batch * turned_stride + head * d, turned_stride, first, ROWS, T, d);
	copy_tile<D>(douts, dout + batch * H * d + head * d, (int64_t)H * d, first, ROWS, T, d);
	copy_tile<D>(keys, k, turned_stride, from * TILE, TILE, T, d);
	copy_tile<D>(values, v, stride, from * TILE, TILE, T, d);
	copies_end();

	float dq[M][D / 8][4], norm[M][2], less[M][2]; // lse in powers of 2, delta
	clear(dq);
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			int t = first + warp_row + row_of(m, 2 * r);
			norm[m][r] = t < T ? lse[(batch + t) * H + head] * LOG2E : 0;
			less[m][r] = t < T ? delta[(batch + t) * H + head] : 0;
		}

	float unit = scale * LOG2E;
	for (int j = from; j <= to; j++) {
		int at = (j - from) % 2;
		const bf16 *tile_keys = keys + at * TILE * (D + 8), *tile_values = values + at * TILE * (D + 8);
		if (j < to) {
			copy_tile<D>(keys + (1 - at) * TILE * (D + 8), k, turned_stride, (j + 1) * TILE, TILE, T, d);
			copy_tile<D>(values + (1 - at) * TILE * (D + 8), v, stride, (j + 1) * TILE, TILE, T, d);
		}
		copies_end();
		copies_wait<1>();
		__syncthreads();
		if (j * TILE < first + warp_row + 16 * M) { // else the warp's queries come before the tile
			float s[M][TILE / 8][4], dp[M][TILE / 8][4];
			scores<D, M, TILE>(s, queries, warp_row, tile_keys);
			scores<D, M, TILE>(dp, douts, warp_row, tile_values);
#pragma unroll
			for (int m = 0; m < M; m++)
#pragma unroll
				for (int r = 0; r < 2; r++) {
					int t = first + warp_row + row_of(m, 2 * r);
					int begin = starts && t < T ? starts[t] : 0;
#pragma unroll
					for (int n = 0; n < TILE / 8; n++)
#pragma unroll
						for (int e = 2 * r; e < 2 * r + 2; e++) {
							int key = j * TILE + column_of(n, e);
							float p = power2(s[m][n][e] * unit - norm[m][r]);
							s[m][n][e] = key <= t && key >= begin ? p * (dp[m][n][e] - less[m][r]) : 0;
						}
				}
			accumulate<D, M, TILE>(dq, s, tile_keys);
		}
		__syncthreads();
	}

	float* staged = reinterpret_cast<float*>(shared); // in place of queries and douts
	stage<D, M>(staged, dq, warp_row, scale);
	__syncthreads();
	write_rows<D>(dqkv + batch * stride + head * d, stride, staged, first, end, d, cos, sin);
}

// The keys' and values' columns of dqkv; operands as above. A block takes the keys
// of one kv head and walks through the queries, from the first that sees them, of
// every head that shares it.
template <int D>
__device__ __forceinline__ void attention_dkv(bf16* dqkv, const bf16* turned, const bf16* qkv, const bf16* dout, const float* lse,
	const float* delta, const float* cos, const float* sin, const int* starts, int T, int H, int K, int d, float scale) {
	const int ROWS = Sizes<D>::dkv_rows, TILE = Sizes<D>::dkv_tile, M = ROWS / (16 * ATTENTION_WARPS);
	DYNAMIC_SHARED(shared);
	bf16* keys = reinterpret_cast<bf16*>(shared); // [ROWS][D+8]
	bf16* values = keys + ROWS * (D + 8);         // [ROWS][D+8]
	bf16* queries = values + ROWS * (D + 8);      // two stages of [TILE][D+8]
	bf16* douts = queries + 2 * TILE * (D + 8);   // likewise
	float* norms = reinterpret_cast<float*>(douts + 2 * TILE * (D + 8)); // two stages of [TILE], lse in powers of 2
	float* lesses = norms + 2 * TILE;                                    // likewise, delta
	int first = blockIdx.x * ROWS, end = min(first + ROWS, T), kv = blockIdx.y, group = H / K;
	int64_t batch = (int64_t)blockIdx.z * T;
	int64_t turned_stride = (int64_t)(H + K) * d, stride = (int64_t)(H + 2 * K) * d;
	const bf16* q = turned + batch * turned_stride + kv * group * d;
	const bf16* g = dout + batch * H * d + kv * group * d;
	lse += batch * H + kv * group;
	delta += batch * H + kv * group;
	if (starts) starts += batch;
	int warp_row = threadIdx.x / WARP * 16 * M;

	// Steps walk through the tiles of queries, and for each through the heads.
	int from = first / TILE, steps = ((T - 1) / TILE - from + 1) * group;
	auto copy_step = [&](int step) {
		int j = from + step / group, i = step % group, at = step % 2;
		copy_tile<D>(queries + at * TILE * (D + 8), q + i * d, turned_stride, j * TILE, TILE, T, d);
		copy_tile<D>(douts + at * TILE * (D + 8), g + i * d, (int64_t)H * d, j * TILE, TILE, T, d);
		for (int r = threadIdx.x; r < TILE; r += ATTENTION_THREADS) {
			int t = j * TILE + r;
			norms[at * TILE + r] = t < T ? lse[(int64_t)t * H + i] * LOG2E : 0;
			lesses[at * TILE + r] = t < T ? delta[(int64_t)t * H + i] : 0;
		}
	};
	copy_tile<D>(keys, turned + batch * turned_stride + (H + kv) * d, turned_stride, first, ROWS, T, d);
	copy_tile<D>(values, qkv + batch * stride + (H + K + kv) * d, stride, first, ROWS, T, d);
	copy_step(0);
	copies_end();

	float dk[M][D / 8][4], dv[M][D / 8][4];
	clear(dk);
	clear(dv);
	float unit = scale * LOG2E;
	for (int step = 0; step < steps; step++) {
		int j = from + step / group, at = step % 2;
		const bf16 *tile_queries = queries + at * TILE * (D + 8), *tile_douts = douts + at * TILE * (D + 8);
		if (step + 1 < steps) copy_step(step + 1);
		copies_end();
		copies_wait<1>();
		__syncthreads();
		// The warp's keys may come after the tile's queries, or all its documents
		// after the warp's keys.
		bool sees = first + warp_row < (j + 1) * TILE;
		if (starts && sees) sees = first_key(starts, j * TILE, min((j + 1) * TILE, T)) < first + warp_row + 16 * M;
		if (sees) {
			float s[M][TILE / 8][4], dp[M][TILE / 8][4]; // transposed: rows are keys, columns queries
			scores<D, M, TILE>(s, keys, warp_row, tile_queries);
			scores<D, M, TILE>(dp, values, warp_row, tile_douts);
#pragma unroll
			for (int n = 0; n < TILE / 8; n++)
#pragma unroll
				for (int c = 0; c < 2; c++) {
					int column = column_of(n, c), t = j * TILE + column;
					float norm = norms[at * TILE + column], less = lesses[at * TILE + column];
					int begin = starts && t < T ? starts[t] : 0;
#pragma unroll
					for (int m = 0; m < M; m++)
#pragma unroll
						for (int e = c; e < 4; e += 2) {
							int key = first + warp_row + row_of(m, e);
							bool seen = key <= t && key >= begin && t < T;
							float p = seen ? power2(s[m][n][e] * unit - norm) : 0;
							s[m][n][e] = p;
							dp[m][n][e] = p * (dp[m][n][e] - less);
						}
				}
			accumulate<D, M, TILE>(dv, s, tile_douts);
			accumulate<D, M, TILE>(dk, dp, tile_queries);
		}
		__syncthreads();
	}

	float* staged = reinterpret_cast<float*>(shared); // in place of keys and values
	bf16* to = dqkv + batch * stride + (H + kv) * d;
	stage<D, M>(staged, dk, warp_row, scale);
	__syncthreads();
	write_rows<D>(to, stride, staged, first, end, d, cos, sin);
	__syncthreads();
	stage<D, M>(staged, dv, warp_row, 1);
	__syncthreads();
	write_rows<D>(to + K * d, stride, staged, first, end, d, nullptr, nullptr);
}

#define GRADIENT(D)                                                                                                                   \
	KERNEL __launch_bounds__(ATTENTION_THREADS) attention_dq_bf16_d##D(bf16* dqkv, const bf16* turned, const bf16* qkv,               \
		const bf16* dout, const float* lse, const float* delta, const float* cos, const float* sin, const int* starts, int64_t t,     \
		int64_t h, int64_t k, int64_t d, float scale) {                                                                               \
		attention_dq<D>(dqkv, turned, qkv, dout, lse, delta, cos, sin, starts, (int)t, (int)h, (int)k, (int)d, scale);                \
	}                                                                                                                                 \
	EXPORT(attention_dq_bf16_d##D)                                                                                                    \
	KERNEL __launch_bounds__(ATTENTION_THREADS) attention_dkv_bf16_d##D(bf16* dqkv, const bf16* turned, const bf16* qkv,              \
		const bf16* dout, const float* lse, const float* delta, const float* cos, const float* sin, const int* starts, int64_t t,     \
		int64_t h, int64_t k, int64_t d, float scale) {                                                                               \
		attention_dkv<D>(dqkv, turned, qkv, dout, lse, delta, cos, sin, starts, (int)t, (int)h, (int)k, (int)d, scale);               \
	}                                                                                                                                 \
	EXPORT(attention_dkv_bf16_d##D)

GRADIENT(32)
GRADIENT(64)
GRADIENT(96)
GRADIENT(128)
