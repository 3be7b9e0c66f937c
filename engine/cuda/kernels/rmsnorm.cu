// RMSNorm (Zhang and Sennrich, 2019): y = x̂·w, x̂ = x·r, r = 1/√(mean(x²)+ε).
// Shapes: N tokens, C width. T is the type of activations; x is the residual
// stream in float32.
#include "device.cuh"

// y[N,C], xhat[N,C] and r[N] of x[N,C] and w[C], each left out where its address
// is 0. A warp takes a row, which it reads twice: the second time from cache.
template <typename T>
__device__ __forceinline__ void rmsnorm(T* y, T* xhat, float* r, const float* x, const float* w, int64_t n, int64_t c, float eps) {
	int lane = threadIdx.x % WARP;
	int64_t row = (int64_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
	if (row >= n) return;
	x += row * c;
	bool four = c % 4 == 0 && fours(x) && fours(w);
	float squares = 0;
	if (four) {
		for (int64_t i = 4 * lane; i < c; i += 4 * WARP) {
			float v[4];
			load4(v, x + i);
			squares += v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3];
		}
	} else {
		for (int64_t i = lane; i < c; i += WARP) squares += x[i] * x[i];
	}
	float rstd = 1 / sqrtf(warp_sum(squares) / (float)c + eps);
	if (r && lane == 0) r[row] = rstd;
	if (y) y += row * c;
	if (xhat) xhat += row * c;
	if (four && (!y || fours(y)) && (!xhat || fours(xhat))) {
		for (int64_t i = 4 * lane; i < c; i += 4 * WARP) {
			float v[4], s[4];
			load4(v, x + i);
			load4(s, w + i);
#pragma unroll
			for (int k = 0; k < 4; k++) {
				v[k] = rounded<T>(rstd * v[k]);
				s[k] *= v[k];
			}
			if (xhat) store4(xhat + i, v);
			if (y) store4(y + i, s);
		}
		return;
	}
	for (int64_t i = lane; i < c; i += WARP) {
		float v = rounded<T>(rstd * x[i]);
		if (xhat) store(xhat[i], v);
		if (y) store(y[i], v * w[i]);
	}
}

// dx[N,C] (+)= r·(g − x̂·mean(g·x̂)), g = dy·w, and a block's part of
// dw[C] = Σ dy·x̂, parts[blocks,C]; each left out where its address is 0. A block
// takes `rows` rows, as many at a time as it has warps: first a warp finds a row's
// mean, then a thread goes down the rows at its columns. The sum of a column stays
// with its thread, in shared memory sums[C].
template <typename T>
__device__ __forceinline__ void rmsnorm_gradient(float* dx, float* parts, const T* dy, const T* xhat, const float* r, const float* w,
	int64_t n, int64_t c, int64_t rows, int64_t adds) {
	DYNAMIC_SHARED(shared);
	float* sums = reinterpret_cast<float*>(shared);
	__shared__ float means[32], rstds[32];
	int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
	int64_t begin = blockIdx.x * rows, end = begin + rows < n ? begin + rows : n;
	bool four = c % 4 == 0 && fours(dy) && fours(xhat) && fours(w) && (!dx || fours(dx));
	if (parts)
		for (int64_t i = threadIdx.x; i < c; i += blockDim.x) sums[i] = 0;
	for (int64_t first = begin; first < end; first += warps) {
		__syncthreads(); // also orders sums, whose columns may lie with other threads below
		int64_t row = first + warp;
		if (row < end) {
			const T *g = dy + row * c, *h = xhat + row * c;
			float dot = 0;
			if (four) {
				for (int64_t i = 4 * lane; i < c; i += 4 * WARP) {
					float a[4], b[4], s[4];
					load4(a, g + i);
					load4(b, h + i);
					load4(s, w + i);
#pragma unroll
					for (int k = 0; k < 4; k++) dot += a[k] * s[k] * b[k];
				}
			} else {
				for (int64_t i = lane; i < c; i += WARP) dot += value(g[i]) * w[i] * value(h[i]);
			}
			dot = warp_sum(dot);
			if (lane == 0) {
				means[warp] = dot / (float)c;
				rstds[warp] = r[row];
			}
		}
		__syncthreads();
		int count = end - first < warps ? (int)(end - first) : warps;
		if (four) {
			for (int64_t i = 4 * threadIdx.x; i < c; i += 4 * blockDim.x) {
				float s[4], sum[4] = {0, 0, 0, 0};
				load4(s, w + i);
				for (int k = 0; k < count; k++) {
					int64_t at = (first + k) * c + i;
					float a[4], b[4], d[4] = {0, 0, 0, 0};
					load4(a, dy + at);
					load4(b, xhat + at);
					if (dx && adds) load4(d, dx + at);
#pragma unroll
					for (int j = 0; j < 4; j++) {
						sum[j] += a[j] * b[j];
						d[j] += rstds[k] * (a[j] * s[j] - means[k] * b[j]);
					}
					if (dx) store4(dx + at, d);
				}
				if (parts)
					for (int j = 0; j < 4; j++) sums[i + j] += sum[j];
			}
			continue;
		}
		for (int64_t i = threadIdx.x; i < c; i += blockDim.x) {
			float sum = 0;
			for (int k = 0; k < count; k++) {
				int64_t at = (first + k) * c + i;
				float a = value(dy[at]), b = value(xhat[at]);
				sum += a * b;
				if (dx) dx[at] = (adds ? dx[at] : 0) + rstds[k] * (a * w[i] - means[k] * b);
			}
			if (parts) sums[i] += sum;
		}
	}
	__syncthreads();
	if (parts)
		for (int64_t i = threadIdx.x; i < c; i += blockDim.x) parts[blockIdx.x * c + i] = sums[i];
}

// sum[C] (+)= Σ parts[blocks,C]. A block of 32 × 32 threads takes 32 columns: each
// of its warps every 32nd row, the first then the warps' sums in order.
KERNEL column_sum(float* sum, const float* parts, int64_t blocks, int64_t c, int64_t adds) {
	__shared__ float own[32][33];
	int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
	int64_t column = (int64_t)blockIdx.x * WARP + lane;
	float s = 0;
	if (column < c)
		for (int64_t i = warp; i < blocks; i += 32) s += parts[i * c + column];
	own[warp][lane] = s;
	__syncthreads();
	if (warp > 0 || column >= c) return;
	s = adds ? sum[column] : 0;
	for (int i = 0; i < 32; i++) s += own[i][lane];
	sum[column] = s;
}
EXPORT(column_sum)

// y[N,C] = x[N,C]·w[C]. A block takes a row.
template <typename T> __device__ __forceinline__ void scale(T* y, const T* x, const float* w, int64_t c) {
	y += blockIdx.x * c;
	x += blockIdx.x * c;
	if (c % 4 == 0 && fours(x) && fours(y) && fours(w)) {
		for (int64_t i = 4 * threadIdx.x; i < c; i += 4 * blockDim.x) {
			float v[4], s[4];
			load4(v, x + i);
			load4(s, w + i);
			for (int k = 0; k < 4; k++) v[k] *= s[k];
			store4(y + i, v);
		}
		return;
	}
	for (int64_t i = threadIdx.x; i < c; i += blockDim.x) store(y[i], value(x[i]) * w[i]);
}

#define RMSNORM(T, suffix)                                                                                                \
	KERNEL rmsnorm_##suffix(T* y, T* xhat, float* r, const float* x, const float* w, int64_t n, int64_t c, float eps) {   \
		rmsnorm<T>(y, xhat, r, x, w, n, c, eps);                                                                          \
	}                                                                                                                     \
	EXPORT(rmsnorm_##suffix)                                                                                              \
	KERNEL rmsnorm_gradient_##suffix(float* dx, float* parts, const T* dy, const T* xhat, const float* r, const float* w, \
		int64_t n, int64_t c, int64_t rows, int64_t adds) {                                                               \
		rmsnorm_gradient<T>(dx, parts, dy, xhat, r, w, n, c, rows, adds);                                                 \
	}                                                                                                                     \
	EXPORT(rmsnorm_gradient_##suffix)                                                                                     \
	KERNEL scale_##suffix(T* y, const T* x, const float* w, int64_t c) { scale<T>(y, x, w, c); }                          \
	EXPORT(scale_##suffix)

RMSNORM(float, f32)
RMSNORM(bf16, bf16)
