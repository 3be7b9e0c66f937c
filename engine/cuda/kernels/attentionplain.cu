// Attention without tensor cores, for float32 and for head sizes that they do not
// take. A block has 16 rows of its own, four for each of its warps, and walks
// through tiles of 32 rows of the other side, one for each lane: a lane makes the
// scores of its row of the tile, then holds some columns of the result. Everything
// is float32 in shared memory. Shapes: B sequences, T tokens of each, N = B·T,
// H heads, K kv heads, D head size. E is the type of activations.
#include "device.cuh"

const int PLAIN_THREADS = 128, ROWS = 16, TILE = 32, EACH = ROWS / (PLAIN_THREADS / WARP);

// fill copies rows first to first+count−1 of a matrix whose row r begins at
// from + r·stride to [count][ld]; rows from end on become zeros.
template <typename E>
__device__ __forceinline__ void fill(float* to, int ld, const E* from, int64_t stride, int first, int count, int end, int d) {
#pragma unroll 1
	for (int i = threadIdx.x; i < count * d; i += PLAIN_THREADS) {
		int row = i / d, column = i % d;
		to[row * ld + column] = first + row < end ? value(from[(first + row) * stride + column]) : 0;
	}
}

// products sets s[k] to the product of the warp's row k of own[ROWS][d] and the
// lane's row of tile[TILE][d+1].
__device__ __forceinline__ void products(float (&s)[EACH], const float* own, const float* tile, int d) {
	int lane = threadIdx.x % WARP, row = threadIdx.x / WARP * EACH;
	for (int k = 0; k < EACH; k++) s[k] = 0;
#pragma unroll 4
	for (int i = 0; i < d; i++) {
		float x = tile[lane * (d + 1) + i];
#pragma unroll
		for (int k = 0; k < EACH; k++) s[k] += own[(row + k) * d + i] * x;
	}
}

// spread adds p, whose element for each row of tile lies in a lane, times tile, to
// the lane's columns lane + 32·c of the warp's rows.
template <int C> __device__ __forceinline__ void spread(float (&o)[EACH][C], const float (&p)[EACH], const float* tile, int d) {
	int lane = threadIdx.x % WARP;
#pragma unroll 2
	for (int i = 0; i < TILE; i++) {
		float each[EACH];
#pragma unroll
		for (int k = 0; k < EACH; k++) each[k] = __shfl_sync(0xffffffffu, p[k], i);
#pragma unroll
		for (int c = 0; c < C; c++) {
			int column = lane + WARP * c;
			float x = column < d ? tile[i * (d + 1) + column] : 0;
#pragma unroll
			for (int k = 0; k < EACH; k++) o[k][c] += each[k] * x;
		}
	}
}

// first_key is the first key that any of the queries first to end−1 sees.
__device__ __forceinline__ int first_key(const int* starts, int first, int end) {
	if (!starts) return 0;
	int s = 0x7fffffff;
	for (int t = first + threadIdx.x % WARP; t < end; t += WARP) s = min(s, starts[t]);
	return warp_min(s);
}

// write rounds a row whose columns lane + 32·c a warp holds; with angles [d/2] it
// turns it back first, through own[d], memory of the warp.
template <int C, typename E>
__device__ __forceinline__ void write(E* to, const float (&x)[C], float factor, int d, float* own, const float* cos, const float* sin) {
	int lane = threadIdx.x % WARP, half = d / 2;
	__syncwarp();
#pragma unroll
	for (int c = 0; c < C; c++)
		if (lane + WARP * c < d) own[lane + WARP * c] = factor * x[c];
	__syncwarp();
	for (int i = lane; i < half; i += WARP) {
		float a = own[i], b = own[i + half];
		if (cos) {
			float turned = a * cos[i] + b * sin[i];
			b = b * cos[i] - a * sin[i];
			a = turned;
		}
		store(to[i], a);
		store(to[i + half], b);
	}
}

// As the kernel of attention.cu.
template <typename E, int C>
__device__ __forceinline__ void attention(E* out, float* lse, const E* turned, const E* qkv, const int* starts, int T, int H, int K, int d,
	float scale) {
	DYNAMIC_SHARED(shared);
	float* queries = reinterpret_cast<float*>(shared); // [ROWS][d]
	float* keys = queries + ROWS * d;                  // [TILE][d+1]
	float* values = keys + TILE * (d + 1);             // [TILE][d+1]
	int block = gridDim.x - 1 - blockIdx.x, head = blockIdx.y, kv = head / (H / K);
	int first = block * ROWS, end = min(first + ROWS, T);
	int64_t batch = (int64_t)blockIdx.z * T;
	int64_t turned_stride = (int64_t)(H + K) * d, stride = (int64_t)(H + 2 * K) * d;
	const E* k = turned + batch * turned_stride + (H + kv) * d;
	const E* v = qkv + batch * stride + (H + K + kv) * d;
	if (starts) starts += batch;
	int lane = threadIdx.x % WARP, row = threadIdx.x / WARP * EACH;

	fill(queries, d, turned + batch * turned_stride + head * d, turned_stride, first, ROWS, T, d);
	float o[EACH][C], top[EACH], sum[EACH];
	for (int r = 0; r < EACH; r++) {
		top[r] = -INFINITY;
		sum[r] = 0;
		for (int c = 0; c < C; c++) o[r][c] = 0;
	}
	for (int j = first_key(starts, first, end) / TILE * TILE; j < end; j += TILE) {
		__syncthreads();
		fill(keys, d + 1, k, turned_stride, j, TILE, T, d);
		fill(values, d + 1, v, stride, j, TILE, T, d);
		__syncthreads();
		float p[EACH];
		products(p, queries, keys, d);
		int key = j + lane;
#pragma unroll
		for (int r = 0; r < EACH; r++) {
			int t = first + row + r;
			bool seen = key <= t && t < T && (!starts || key >= starts[t]);
			float s = seen ? scale * p[r] : -INFINITY;
			float largest = fmaxf(top[r], warp_max(s));
			float base = largest == -INFINITY ? 0 : largest; // a row may have seen no key yet
			float shrink = expf(top[r] - base);
			top[r] = largest;
			p[r] = expf(s - base);
			sum[r] = sum[r] * shrink + warp_sum(p[r]);
			for (int c = 0; c < C; c++) o[r][c] *= shrink;
		}
		spread<C>(o, p, values, d);
	}
#pragma unroll
	for (int r = 0; r < EACH; r++) {
		int t = first + row + r;
		if (t >= T) continue;
		if (lse && lane == 0) lse[(batch + t) * H + head] = top[r] + logf(sum[r]);
		write<C>(out + (batch + t) * H * d + head * d, o[r], 1 / sum[r], d, queries + (row + r) * d, nullptr, nullptr);
	}
}

// As the kernel of attentiongradient.cu.
template <typename E, int C>
__device__ __forceinline__ void attention_dq(E* dqkv, const E* turned, const E* qkv, const E* dout, const float* lse, const float* delta,
	const float* cos, const float* sin, const int* starts, int T, int H, int K, int d, float scale) {
	DYNAMIC_SHARED(shared);
	float* queries = reinterpret_cast<float*>(shared); // [ROWS][d]
	float* douts = queries + ROWS * d;                 // [ROWS][d]
	float* keys = douts + ROWS * d;                    // [TILE][d+1]
	float* values = keys + TILE * (d + 1);             // [TILE][d+1]
	int block = gridDim.x - 1 - blockIdx.x, head = blockIdx.y, kv = head / (H / K);
	int first = block * ROWS, end = min(first + ROWS, T);
	int64_t batch = (int64_t)blockIdx.z * T;
	int64_t turned_stride = (int64_t)(H + K) * d, stride = (int64_t)(H + 2 * K) * d;
	const E* k = turned + batch * turned_stride + (H + kv) * d;
	const E* v = qkv + batch * stride + (H + K + kv) * d;
	if (starts) starts += batch;
	int lane = threadIdx.x % WARP, row = threadIdx.x / WARP * EACH;

	fill(queries, d, turned + batch * turned_stride + head * d, turned_stride, first, ROWS, T, d);
	fill(douts, d, dout + batch * H * d + head * d, (int64_t)H * d, first, ROWS, T, d);
	float dq[EACH][C];
	for (int r = 0; r < EACH; r++)
		for (int c = 0; c < C; c++) dq[r][c] = 0;
	for (int j = first_key(starts, first, end) / TILE * TILE; j < end; j += TILE) {
		__syncthreads();
		fill(keys, d + 1, k, turned_stride, j, TILE, T, d);
		fill(values, d + 1, v, stride, j, TILE, T, d);
		__syncthreads();
		float s[EACH], dp[EACH];
		products(s, queries, keys, d);
		products(dp, douts, values, d);
		int key = j + lane;
#pragma unroll
		for (int r = 0; r < EACH; r++) {
			int t = first + row + r;
			bool seen = key <= t && t < T && (!starts || key >= starts[t]);
			int64_t at = (batch + t) * H + head;
			s[r] = seen ? expf(scale * s[r] - lse[at]) * (dp[r] - delta[at]) : 0;
		}
		spread<C>(dq, s, keys, d);
	}
#pragma unroll
	for (int r = 0; r < EACH; r++) {
		int t = first + row + r;
		if (t >= T) continue;
		int64_t angle = (int64_t)t * (d / 2);
		write<C>(dqkv + (batch + t) * stride + head * d, dq[r], scale, d, queries + (row + r) * d, cos + angle, sin + angle);
	}
}

// As the kernel of attentiongradient.cu.
template <typename E, int C>
__device__ __forceinline__ void attention_dkv(E* dqkv, const E* turned, const E* qkv, const E* dout, const float* lse, const float* delta,
	const float* cos, const float* sin, const int* starts, int T, int H, int K, int d, float scale) {
	DYNAMIC_SHARED(shared);
	float* keys = reinterpret_cast<float*>(shared); // [ROWS][d]
	float* values = keys + ROWS * d;                // [ROWS][d]
	float* queries = values + ROWS * d;             // [TILE][d+1]
	float* douts = queries + TILE * (d + 1);        // [TILE][d+1]
	int first = blockIdx.x * ROWS, kv = blockIdx.y, group = H / K;
	int64_t batch = (int64_t)blockIdx.z * T;
	int64_t turned_stride = (int64_t)(H + K) * d, stride = (int64_t)(H + 2 * K) * d;
	if (starts) starts += batch;
	int lane = threadIdx.x % WARP, row = threadIdx.x / WARP * EACH;

	fill(keys, d, turned + batch * turned_stride + (H + kv) * d, turned_stride, first, ROWS, T, d);
	fill(values, d, qkv + batch * stride + (H + K + kv) * d, stride, first, ROWS, T, d);
	float dk[EACH][C], dv[EACH][C];
	for (int r = 0; r < EACH; r++)
		for (int c = 0; c < C; c++) dk[r][c] = dv[r][c] = 0;
	for (int j = first / TILE * TILE; j < T; j += TILE) {
		if (first_key(starts, j, min(j + TILE, T)) >= first + ROWS) continue;
		for (int i = 0; i < group; i++) {
			int head = kv * group + i;
			__syncthreads();
			fill(queries, d + 1, turned + batch * turned_stride + head * d, turned_stride, j, TILE, T, d);
			fill(douts, d + 1, dout + batch * H * d + head * d, (int64_t)H * d, j, TILE, T, d);
			__syncthreads();
			float s[EACH], dp[EACH];
			products(s, keys, queries, d);
			products(dp, values, douts, d);
			int t = j + lane;
			int begin = starts && t < T ? starts[t] : 0;
			float norm = t < T ? lse[(batch + t) * H + head] : 0, less = t < T ? delta[(batch + t) * H + head] : 0;
#pragma unroll
			for (int r = 0; r < EACH; r++) {
				int key = first + row + r;
				bool seen = key <= t && t < T && key >= begin;
				s[r] = seen ? expf(scale * s[r] - norm) : 0;
				dp[r] = s[r] * (dp[r] - less);
			}
			spread<C>(dv, s, douts, d);
			spread<C>(dk, dp, queries, d);
		}
	}
#pragma unroll
	for (int r = 0; r < EACH; r++) {
		int t = first + row + r;
		if (t >= T) continue;
		int64_t angle = (int64_t)t * (d / 2);
		E* to = dqkv + (batch + t) * stride + (H + kv) * d;
		write<C>(to, dk[r], scale, d, keys + (row + r) * d, cos + angle, sin + angle);
		write<C>(to + K * d, dv[r], 1, d, keys + (row + r) * d, nullptr, nullptr);
	}
}

#define PLAIN(E, suffix, D)                                                                                                             \
	KERNEL __launch_bounds__(PLAIN_THREADS, 3) attention_plain_##suffix##_d##D(E* out, float* lse, const E* turned, const E* qkv,          \
		const int* starts, int64_t t, int64_t h, int64_t k, int64_t d, float scale) {                                                   \
		attention<E, D / 32>(out, lse, turned, qkv, starts, (int)t, (int)h, (int)k, (int)d, scale);                                     \
	}                                                                                                                                   \
	EXPORT(attention_plain_##suffix##_d##D)                                                                                             \
	KERNEL __launch_bounds__(PLAIN_THREADS, 3) attention_dq_plain_##suffix##_d##D(E* dqkv, const E* turned, const E* qkv, const E* dout,   \
		const float* lse, const float* delta, const float* cos, const float* sin, const int* starts, int64_t t, int64_t h, int64_t k,   \
		int64_t d, float scale) {                                                                                                       \
		attention_dq<E, D / 32>(dqkv, turned, qkv, dout, lse, delta, cos, sin, starts, (int)t, (int)h, (int)k, (int)d, scale);          \
	}                                                                                                                                   \
	EXPORT(attention_dq_plain_##suffix##_d##D)                                                                                          \
	KERNEL __launch_bounds__(PLAIN_THREADS, 3) attention_dkv_plain_##suffix##_d##D(E* dqkv, const E* turned, const E* qkv, const E* dout,  \
		const float* lse, const float* delta, const float* cos, const float* sin, const int* starts, int64_t t, int64_t h, int64_t k,   \
		int64_t d, float scale) {                                                                                                       \
		attention_dkv<E, D / 32>(dqkv, turned, qkv, dout, lse, delta, cos, sin, starts, (int)t, (int)h, (int)k, (int)d, scale);         \
	}                                                                                                                                   \
	EXPORT(attention_dkv_plain_##suffix##_d##D)

PLAIN(float, f32, 64)
PLAIN(float, f32, 128)
PLAIN(float, f32, 256)
PLAIN(bf16, bf16, 64)
PLAIN(bf16, bf16, 128)
PLAIN(bf16, bf16, 256)
