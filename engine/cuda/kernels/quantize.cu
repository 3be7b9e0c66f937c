// Rows of few values, for models that learn to be quantised: min-max (LLM-QAT), learned
// steps (LSQ), stretched elastic levels (ParetoQ) and signs; package quant has the formulas.
// Shapes: N rows, C width, alpha[N]. T is the type of the rows.
#include "device.cuh"

enum { SYMMETRIC, ASYMMETRIC, COMPRESSED, STEPS, BINARY_STEPS, STRETCHED, SIGN, SCALED_SIGN };

const float LEAST = 1e-5f, EDGE = 0.99f;

__device__ __forceinline__ float sign_of(float x) { return x < 0 ? -1.f : 1.f; }
__device__ __forceinline__ float between(float x, float low, float high) { return fmaxf(low, fminf(high, x)); }

// The value of x/alpha, in steps from a to b or in clips with a levels that are shifted by b.
__device__ __forceinline__ float learned(int64_t kind, float ratio, float a, float b) {
	if (kind == BINARY_STEPS) return sign_of(ratio);
	if (kind == STEPS) return between(rintf(ratio), a, b);
	return (rintf(between(ratio, -EDGE, EDGE) * a - b) + b) / a;
}

// The largest of x over the block, which every thread gets; own is memory for one number a
// warp.
__device__ __forceinline__ float block_max(float x, float* own) {
	x = warp_max(x);
	if (threadIdx.x % WARP == 0) own[threadIdx.x / WARP] = x;
	__syncthreads();
	float most = own[0];
	for (int i = 1; i < (int)blockDim.x / WARP; i++) most = fmaxf(most, own[i]);
	__syncthreads();
	return most;
}

// y[N,C] of x[N,C]. Of min-max kinds a is the largest integer. A block takes a row.
template <typename T>
__device__ __forceinline__ void quantize(T* y, const T* x, const float* alpha, int64_t c, int64_t kind, float a, float b) {
	__shared__ float own[32];
	__shared__ double sums[32];
	y += blockIdx.x * c;
	x += blockIdx.x * c;
	if (kind >= SIGN) {
		float size = 1;
		if (kind == SCALED_SIGN) {
			double sum = 0;
			for (int64_t i = threadIdx.x; i < c; i += blockDim.x) sum += fabsf(value(x[i]));
			size = (float)(block_sum(sum, sums) / (double)c);
		}
		for (int64_t i = threadIdx.x; i < c; i += blockDim.x) store(y[i], size * sign_of(value(x[i])));
		return;
	}
	if (kind >= STEPS) {
		float step = fmaxf(alpha[blockIdx.x], LEAST);
		for (int64_t i = threadIdx.x; i < c; i += blockDim.x) store(y[i], step * learned(kind, value(x[i]) / step, a, b));
		return;
	}
	float least = INFINITY, most = -INFINITY, odd = 0;
	for (int64_t i = threadIdx.x; i < c; i += blockDim.x) {
		float v = value(x[i]);
		if (v - v != 0) odd = 1;
		least = fminf(least, v);
		most = fmaxf(most, v);
	}
	least = -block_max(-least, own);
	most = block_max(most, own);
	odd = block_max(odd, own);
	float size = fmaxf(most, -least), factor = 0, scale, offset = 0, low = -a - 1, high = a;
	if (kind == ASYMMETRIC) {
		float width = most - least + 1e-8f;
		factor = a / width;
		scale = width / a;
		offset = least;
		low = 0;
	} else if (kind == COMPRESSED) {
		scale = size / (a + 0.5f);
		if (scale == 0) scale = 0x1p-23f;
	} else {
		factor = a / (size + 1e-6f);
		scale = 1 / (factor + 1e-6f);
	}
	if (odd != 0) scale = NAN;
	for (int64_t i = threadIdx.x; i < c; i += blockDim.x) {
		float v = value(x[i]);
		float steps = kind == COMPRESSED ? v / scale : (v - offset) * factor;
		store(y[i], scale * between(rintf(steps), low, high) + offset);
	}
}

// dx[N,C] (+)= the gradient of x[N,C] for dy[N,C], and dalpha[N] (+)= by times that of
// alpha[N]; each left out where its address is 0. A block takes a row.
template <typename T>
__device__ __forceinline__ void quantize_gradient(T* dx, float* dalpha, const T* x, const T* dy, const float* alpha, int64_t c, int64_t kind,
	float a, float b, float by, int64_t adds_dx, int64_t adds_dalpha) {
	__shared__ double sums[32];
	x += blockIdx.x * c;
	dy += blockIdx.x * c;
	if (dx) dx += blockIdx.x * c;
	float step = alpha ? fmaxf(alpha[blockIdx.x], LEAST) : 1;
	double sum = 0;
	for (int64_t i = threadIdx.x; i < c; i += blockDim.x) {
		float ratio = value(x[i]) / step, g = value(dy[i]);
		bool inside = ratio > -1 && ratio < 1;
		if (kind < SIGN) {
			float low = kind == STRETCHED ? -EDGE : a, high = kind == STRETCHED ? EDGE : b;
			inside = ratio >= low && ratio <= high;
			float part = learned(kind, ratio, a, b);
			if (inside && kind != BINARY_STEPS) part -= ratio;
			sum += part * g;
		}
		if (dx) store(dx[i], (adds_dx ? value(dx[i]) : 0) + (inside ? g : 0));
	}
	if (!dalpha) return;
	float whole = by * (float)block_sum(sum, sums);
	if (threadIdx.x == 0) dalpha[blockIdx.x] = (adds_dalpha ? dalpha[blockIdx.x] : 0) + whole;
}

#define QUANTIZE(T, suffix)                                                                                                       \
	KERNEL quantize_##suffix(T* y, const T* x, const float* alpha, int64_t c, int64_t kind, float a, float b) {                   \
		quantize<T>(y, x, alpha, c, kind, a, b);                                                                                  \
	}                                                                                                                             \
	EXPORT(quantize_##suffix)                                                                                                     \
	KERNEL quantize_gradient_##suffix(T* dx, float* dalpha, const T* x, const T* dy, const float* alpha, int64_t c, int64_t kind, \
		float a, float b, float by, int64_t adds_dx, int64_t adds_dalpha) {                                                       \
		quantize_gradient<T>(dx, dalpha, x, dy, alpha, c, kind, a, b, by, adds_dx, adds_dalpha);                                  \
	}                                                                                                                             \
	EXPORT(quantize_gradient_##suffix)

QUANTIZE(float, f32)
QUANTIZE(bf16, bf16)
