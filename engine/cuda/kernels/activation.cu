// The activations of the FFN: SwiGLU (Shazeer, 2020) and ReLU.
// Shapes: N tokens, F FFN width. T is the type of activations.
#include "device.cuh"

__device__ __forceinline__ float sigmoid(float x) { return 1 / (1 + __expf(-x)); }

// h = g·σ(g)·u.
__device__ __forceinline__ float swiglu_of(float g, float u) { return g * u * sigmoid(g); }

// dg = dh·u·σ·(1+g·(1−σ)) and du = dh·g·σ take the place of g and u.
__device__ __forceinline__ void swiglu_gradient_of(float& g, float& u, float dh) {
	float s = sigmoid(g), t = dh * s, v = g;
	g = t * u * (1 + v * (1 - s));
	u = t * v;
}

// h[N,F] of x[N,2F], whose columns are g and u. A block takes a row.
template <typename T> __device__ __forceinline__ void swiglu(T* h, const T* x, int64_t f) {
	h += blockIdx.x * f;
	x += blockIdx.x * 2 * f;
	if (f % 4 == 0 && fours(h) && fours(x)) {
		for (int64_t i = 4 * threadIdx.x; i < f; i += 4 * blockDim.x) {
			float g[4], u[4];
			load4(g, x + i);
			load4(u, x + f + i);
#pragma unroll
			for (int k = 0; k < 4; k++) g[k] = swiglu_of(g[k], u[k]);
			store4(h + i, g);
		}
		return;
	}
	for (int64_t i = threadIdx.x; i < f; i += blockDim.x) store(h[i], swiglu_of(value(x[i]), value(x[f + i])));
}

// dx[N,2F] of x[N,2F] and dh[N,F]. A block takes a row.
template <typename T> __device__ __forceinline__ void swiglu_gradient(T* dx, const T* x, const T* dh, int64_t f) {
	dx += blockIdx.x * 2 * f;
	x += blockIdx.x * 2 * f;
	dh += blockIdx.x * f;
	if (f % 4 == 0 && fours(dx) && fours(x) && fours(dh)) {
		for (int64_t i = 4 * threadIdx.x; i < f; i += 4 * blockDim.x) {
			float g[4], u[4], d[4];
			load4(g, x + i);
			load4(u, x + f + i);
			load4(d, dh + i);
#pragma unroll
			for (int k = 0; k < 4; k++) swiglu_gradient_of(g[k], u[k], d[k]);
			store4(dx + i, g);
			store4(dx + f + i, u);
		}
		return;
	}
	for (int64_t i = threadIdx.x; i < f; i += blockDim.x) {
		float g = value(x[i]), u = value(x[f + i]);
		swiglu_gradient_of(g, u, value(dh[i]));
		store(dx[i], g);
		store(dx[f + i], u);
	}
}

// y = max(x, 0) of n elements.
template <typename T> __device__ __forceinline__ void relu(T* y, const T* x, int64_t n) {
	int64_t first = (int64_t)blockIdx.x * blockDim.x * 8 + threadIdx.x;
	for (int k = 0; k < 8; k++) {
		int64_t i = first + (int64_t)k * blockDim.x;
		if (i < n) store(y[i], fmaxf(value(x[i]), 0));
	}
}

// dx = dy where x > 0, else 0, of n elements.
template <typename T> __device__ __forceinline__ void relu_gradient(T* dx, const T* x, const T* dy, int64_t n) {
	int64_t first = (int64_t)blockIdx.x * blockDim.x * 8 + threadIdx.x;
	for (int k = 0; k < 8; k++) {
		int64_t i = first + (int64_t)k * blockDim.x;
		if (i < n) store(dx[i], value(x[i]) > 0 ? value(dy[i]) : 0);
	}
}

#define ACTIVATION(T, suffix)                                                                                                 \
	KERNEL swiglu_##suffix(T* h, const T* x, int64_t f) { swiglu<T>(h, x, f); }                                               \
	EXPORT(swiglu_##suffix)                                                                                                   \
	KERNEL swiglu_gradient_##suffix(T* dx, const T* x, const T* dh, int64_t f) { swiglu_gradient<T>(dx, x, dh, f); }          \
	EXPORT(swiglu_gradient_##suffix)                                                                                          \
	KERNEL relu_##suffix(T* y, const T* x, int64_t n) { relu<T>(y, x, n); }                                                   \
	EXPORT(relu_##suffix)                                                                                                     \
	KERNEL relu_gradient_##suffix(T* dx, const T* x, const T* dy, int64_t n) { relu_gradient<T>(dx, x, dy, n); }              \
	EXPORT(relu_gradient_##suffix)

ACTIVATION(float, f32)
ACTIVATION(bf16, bf16)
