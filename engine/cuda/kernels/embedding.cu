// Embedding: a token's row, and the sum of tokens' gradients by row.
// Shapes: N tokens, V vocabulary, C width.
#include "device.cuh"

// x[N,C] = w[ids[n]]. A block copies a row.
KERNEL embedding(float* x, const float* w, const int* ids, int64_t c) {
	int64_t n = blockIdx.x;
	x += n * c;
	w += (int64_t)ids[n] * c;
	if (c % 4 == 0 && fours(x) && fours(w)) {
		for (int64_t i = 4 * threadIdx.x; i < c; i += 4 * blockDim.x) {
			float row[4];
			load4(row, w + i);
			store4(x + i, row);
		}
		return;
	}
	for (int64_t i = threadIdx.x; i < c; i += blockDim.x) x[i] = w[i];
}
EXPORT(embedding)

// order[N] lists the tokens by id, those of equal id by number: a token's place is
// the number of tokens before it, counted by comparing it with all. N² comparisons
// of integers take less than a millisecond for 64K tokens and need no other memory.
KERNEL token_order(int* order, const int* ids, int64_t n) {
	__shared__ int tile[256];
	int64_t me = (int64_t)blockIdx.x * 256 + threadIdx.x;
	int id = me < n ? ids[me] : 0;
	int place = 0;
	for (int64_t first = 0; first < n; first += 256) {
		__syncthreads();
		if (first + threadIdx.x < n) tile[threadIdx.x] = ids[first + threadIdx.x];
		__syncthreads();
		int end = n - first < 256 ? (int)(n - first) : 256;
		int before = me <= first ? 0 : me - first < end ? (int)(me - first) : end; // of equal id these count
		for (int i = 0; i < end; i++) place += tile[i] < id || (tile[i] == id && i < before);
	}
	if (me < n) order[place] = (int)me;
}
EXPORT(token_order)

// dw[ids[n],C] += dx[n,C] over all tokens n. A block, a warp, takes 128 columns of
// a place in the order; where a run of equal ids begins there, it sums the run.
KERNEL embedding_gradient(float* dw, const float* dx, const int* ids, const int* order, int64_t n, int64_t c) {
	int64_t first = blockIdx.x;
	int id = ids[order[first]];
	if (first > 0 && ids[order[first - 1]] == id) return;
	int64_t end = first + 1;
	for (;;) {
		bool same = end + threadIdx.x < n && ids[order[end + threadIdx.x]] == id;
		uint32_t run = __ballot_sync(0xffffffffu, same);
		if (run != 0xffffffffu) {
			end += __ffs(~run) - 1;
			break;
		}
		end += WARP;
	}
	int64_t column = (int64_t)blockIdx.y * 128 + threadIdx.x;
	float sum[4] = {0, 0, 0, 0};
#pragma unroll 8
	for (int64_t i = first; i < end; i++) {
		const float* row = dx + (int64_t)order[i] * c;
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (column + WARP * k < c) sum[k] += row[column + WARP * k];
	}
	float* row = dw + (int64_t)id * c;
	for (int k = 0; k < 4; k++)
		if (column + WARP * k < c) row[column + WARP * k] += sum[k];
}
EXPORT(embedding_gradient)
