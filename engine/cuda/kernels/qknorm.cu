// RMSNorm of each head's query and key, as in Qwen3, before RoPE. Shapes: N tokens, H
// query heads, K key heads, D their size; a row is (H+2K)·D long, queries, keys and
// values. T is the type of activations.
#include "device.cuh"

// r of one head, for all lanes of a warp.
template <typename T> __device__ __forceinline__ float inverse_rms(const T* x, int64_t d, float eps) {
	float squares = 0;
	for (int64_t i = threadIdx.x % WARP; i < d; i += WARP) squares += value(x[i]) * value(x[i]);
	return 1 / sqrtf(warp_sum(squares) / (float)d + eps);
}

// y of x, both [N,(H+2K)·D], with the weights q[D] and k[D]. A warp takes a head.
template <typename T>
__device__ __forceinline__ void qk_norm(T* y, const T* x, const float* q, const float* k, int64_t n, int64_t h, int64_t kv, int64_t d, float eps) {
	int lane = threadIdx.x % WARP;
	int64_t unit = (int64_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, heads = h + 2 * kv, head = unit % heads;
	if (unit >= n * heads) return;
	x += unit * d;
	y += unit * d;
	if (head >= h + kv) {
		for (int64_t i = lane; i < d; i += WARP) y[i] = x[i];
		return;
	}
	const float* w = head < h ? q : k;
	float r = inverse_rms(x, d, eps);
	for (int64_t i = lane; i < d; i += WARP) store(y[i], value(x[i]) * r * w[i]);
}

// dx = r·(g − x̂·mean(g·x̂)), g = dy·w, and a block's part of both weights' gradients
// Σ dy·x̂, parts_q[blocks,D] and parts_k; dx is left out where its address is 0. A block
// takes `rows` tokens and a warp one head of them after another. The sums of a warp
// stay in shared memory of its own, [2,D], and are added in the order of warps.
template <typename T>
__device__ __forceinline__ void qk_norm_gradient(T* dx, float* parts_q, float* parts_k, const T* dy, const T* x, const float* q, const float* k,
	int64_t n, int64_t h, int64_t kv, int64_t d, int64_t rows, float eps) {
	DYNAMIC_SHARED(shared);
	float* sums = reinterpret_cast<float*>(shared);
	int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
	float* own = sums + warp * 2 * d;
	for (int64_t i = lane; i < d; i += WARP) own[i] = own[d + i] = 0;
	int64_t heads = h + 2 * kv, begin = blockIdx.x * rows, end = begin + rows < n ? begin + rows : n;
	for (int64_t unit = begin * heads + warp; unit < end * heads; unit += warps) {
		int64_t head = unit % heads;
		const T *g = dy + unit * d, *v = x + unit * d;
		T* out = dx ? dx + unit * d : nullptr;
		if (head >= h + kv) {
			if (out)
				for (int64_t i = lane; i < d; i += WARP) out[i] = g[i];
			continue;
		}
		const float* w = head < h ? q : k;
		float* sum = own + (head < h ? 0 : d);
		float r = inverse_rms(v, d, eps), dot = 0;
		for (int64_t i = lane; i < d; i += WARP) dot += value(g[i]) * w[i] * value(v[i]);
		float mean = warp_sum(dot) * r / (float)d;
		for (int64_t i = lane; i < d; i += WARP) {
			float a = value(g[i]), xhat = value(v[i]) * r;
			sum[i] += a * xhat;
			if (out) store(out[i], r * (a * w[i] - xhat * mean));
		}
	}
	__syncthreads();
	for (int64_t i = threadIdx.x; i < d; i += blockDim.x) {
		float a = 0, b = 0;
		for (int j = 0; j < warps; j++) {
			a += sums[j * 2 * d + i];
			b += sums[j * 2 * d + d + i];
		}
		parts_q[blockIdx.x * d + i] = a;
		parts_k[blockIdx.x * d + i] = b;
	}
}

#define QK_NORM(T, suffix)                                                                                                           \
	KERNEL qk_norm_##suffix(T* y, const T* x, const float* q, const float* k, int64_t n, int64_t h, int64_t kv, int64_t d, float eps) { \
		qk_norm<T>(y, x, q, k, n, h, kv, d, eps);                                                                                    \
	}                                                                                                                                \
	EXPORT(qk_norm_##suffix)                                                                                                         \
	KERNEL qk_norm_gradient_##suffix(T* dx, float* parts_q, float* parts_k, const T* dy, const T* x, const float* q, const float* k, \
		int64_t n, int64_t h, int64_t kv, int64_t d, int64_t rows, float eps) {                                                      \
		qk_norm_gradient<T>(dx, parts_q, parts_k, dy, x, q, k, n, h, kv, d, rows, eps);                                              \
	}                                                                                                                                \
	EXPORT(qk_norm_gradient_##suffix)

QK_NORM(float, f32)
QK_NORM(bf16, bf16)
