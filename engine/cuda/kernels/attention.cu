// Attention on tensor cores, forward, in the manner of FlashAttention-2 (Dao,
// 2023): a block takes a tile of queries of a head and walks through the tiles of
// keys that they see, keeping for each query the largest score so far, the sum of
// exponentials and the output, scaled to match.
// Shapes: B sequences, T tokens of each, N = B·T, H heads, K kv heads, D head size.
#include "attentiontiles.cuh"

// out[N,H·D] and, unless its address is 0, lse[N,H] of turned[N,(H+K)·D], queries
// and keys turned by RoPE, and the values in qkv[N,(H+2K)·D]. starts[N] may be 0.
template <int D>
__device__ __forceinline__ void attention(bf16* out, float* lse, const bf16* turned, const bf16* qkv, const int* starts, int T, int H,
	int K, int d, float scale) {
	const int ROWS = Sizes<D>::rows, TILE = Sizes<D>::tile, M = ROWS / (16 * ATTENTION_WARPS);
	DYNAMIC_SHARED(shared);
	bf16* queries = reinterpret_cast<bf16*>(shared);     // [ROWS][D+8]
	bf16* keys = queries + ROWS * (D + 8);                // two stages of [TILE][D+8]
	bf16* values = keys + 2 * TILE * (D + 8);             // likewise
	int block = gridDim.x - 1 - blockIdx.x, head = blockIdx.y; // long blocks first
	int first = block * ROWS, end = min(first + ROWS, T);
	int64_t batch = (int64_t)blockIdx.z * T;
	int64_t turned_stride = (int64_t)(H + K) * d, stride = (int64_t)(H + 2 * K) * d;
	int kv = head / (H / K);
	const bf16* q = turned + batch * turned_stride + head * d;
	const bf16* k = turned + batch * turned_stride + (H + kv) * d;
	const bf16* v = qkv + batch * stride + (H + K + kv) * d;
	if (starts) starts += batch;
	int warp_row = threadIdx.x / WARP * 16 * M;

	int from = first_key(starts, first, end) / TILE, to = (end - 1) / TILE;
	copy_tile<D>(queries, q, turned_stride, first, ROWS, T, d);
	copy_tile<D>(keys, k, turned_stride, from * TILE, TILE, T, d);
	copy_tile<D>(values, v, stride, from * TILE, TILE, T, d);
	copies_end();

	float o[M][D / 8][4], top[M][2], sum[M][2];
	clear(o);
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			top[m][r] = -INFINITY;
			sum[m][r] = 0;
		}

	float unit = scale * LOG2E;
	for (int j = from; j <= to; j++) {
		int stage = (j - from) % 2;
		const bf16 *tile_keys = keys + stage * TILE * (D + 8), *tile_values = values + stage * TILE * (D + 8);
		if (j < to) {
			copy_tile<D>(keys + (1 - stage) * TILE * (D + 8), k, turned_stride, (j + 1) * TILE, TILE, T, d);
			copy_tile<D>(values + (1 - stage) * TILE * (D + 8), v, stride, (j + 1) * TILE, TILE, T, d);
		}
		copies_end();
		copies_wait<1>();
		__syncthreads();

		if (j * TILE < first + warp_row + 16 * M) { // else the warp's queries come before the tile
			float p[M][TILE / 8][4];
			scores<D, M, TILE>(p, queries, warp_row, tile_keys);
			if (starts || (j + 1) * TILE > first + warp_row + 1) {
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
								if (key > t || key < begin) p[m][n][e] = -INFINITY;
							}
					}
			}
#pragma unroll
			for (int m = 0; m < M; m++)
#pragma unroll
				for (int r = 0; r < 2; r++) {
					float largest = top[m][r];
#pragma unroll
					for (int n = 0; n < TILE / 8; n++) largest = fmaxf(largest, fmaxf(p[m][n][2 * r], p[m][n][2 * r + 1]));
					largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
					largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
					float base = largest == -INFINITY ? 0 : largest * unit; // a row may have seen no key yet
					float shrink = power2(top[m][r] * unit - base);
					top[m][r] = largest;
					float s = 0;
#pragma unroll
					for (int n = 0; n < TILE / 8; n++)
#pragma unroll
						for (int e = 2 * r; e < 2 * r + 2; e++) s += p[m][n][e] = power2(p[m][n][e] * unit - base);
					sum[m][r] = sum[m][r] * shrink + s;
#pragma unroll
					for (int n = 0; n < D / 8; n++) {
						o[m][n][2 * r] *= shrink;
						o[m][n][2 * r + 1] *= shrink;
					}
				}
			accumulate<D, M, TILE>(o, p, tile_values);
		}
		__syncthreads();
	}

	// A warp's queries are its own, so their memory can take the output.
#pragma unroll
	for (int m = 0; m < M; m++)
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float s = sum[m][r];
			s += __shfl_xor_sync(0xffffffffu, s, 1);
			s += __shfl_xor_sync(0xffffffffu, s, 2);
			int row = warp_row + row_of(m, 2 * r), t = first + row;
			if (lse && threadIdx.x % 4 == 0 && t < T) lse[(batch + t) * H + head] = top[m][r] * scale + logf(s);
			float inverse = 1 / s;
#pragma unroll
			for (int n = 0; n < D / 8; n++)
				*reinterpret_cast<uint32_t*>(queries + row * (D + 8) + column_of(n, 0)) =
					round2(o[m][n][2 * r] * inverse, o[m][n][2 * r + 1] * inverse);
		}
	__syncwarp();
	int pieces = d / 8;
	for (int i = threadIdx.x % WARP; i < 16 * M * pieces; i += WARP) {
		int row = warp_row + i / pieces, column = i % pieces * 8, t = first + row;
		if (t < T)
			*reinterpret_cast<Words<16>*>(out + (batch + t) * H * d + head * d + column) =
				*reinterpret_cast<const Words<16>*>(queries + row * (D + 8) + column);
	}
}

#define ATTENTION(D)                                                                                                                   \
	KERNEL __launch_bounds__(ATTENTION_THREADS) attention_bf16_d##D(bf16* out, float* lse, const bf16* turned, const bf16* qkv,       \
		const int* starts, int64_t t, int64_t h, int64_t k, int64_t d, float scale) {                                                 \
		attention<D>(out, lse, turned, qkv, starts, (int)t, (int)h, (int)k, (int)d, scale);                                           \
	}                                                                                                                                  \
	EXPORT(attention_bf16_d##D)

ATTENTION(32)
ATTENTION(64)
ATTENTION(96)
ATTENTION(128)
