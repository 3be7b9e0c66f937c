// What is done to every element by itself. A thread takes 8 of n elements, a
// block's width apart.
#include "device.cuh"

template <typename F> __device__ __forceinline__ void each(int64_t n, F f) {
	int64_t first = (int64_t)blockIdx.x * blockDim.x * 8 + threadIdx.x;
#pragma unroll
	for (int k = 0; k < 8; k++) {
		int64_t i = first + (int64_t)k * blockDim.x;
		if (i < n) f(i);
	}
}

// y = a + b; y may be a or b.
KERNEL add_f32(float* y, const float* a, const float* b, int64_t n) {
	each(n, [=](int64_t i) { y[i] = a[i] + b[i]; });
}
EXPORT(add_f32)

// y = −x, and 0 of 0.
KERNEL negate_f32(float* y, const float* x, int64_t n) {
	each(n, [=](int64_t i) { y[i] = 0 - x[i]; });
}
EXPORT(negate_f32)

KERNEL fill_f32(float* x, float to, int64_t n) {
	each(n, [=](int64_t i) { x[i] = to; });
}
EXPORT(fill_f32)

KERNEL round_bf16(bf16* y, const float* x, int64_t n) {
	each(n, [=](int64_t i) { store(y[i], x[i]); });
}
EXPORT(round_bf16)

KERNEL widen_bf16(float* y, const bf16* x, int64_t n) {
	each(n, [=](int64_t i) { y[i] = value(x[i]); });
}
EXPORT(widen_bf16)

// flag = mark where an element is infinite or NaN: its exponent is all ones. Every
// thread that writes writes the same.
template <typename T> __device__ __forceinline__ void nonfinite(int* flag, const T* x, int64_t mark, int64_t n) {
	each(n, [=](int64_t i) {
		if ((__float_as_uint(value(x[i])) & 0x7f800000u) == 0x7f800000u) *flag = (int)mark;
	});
}

KERNEL nonfinite_f32(int* flag, const float* x, int64_t mark, int64_t n) { nonfinite(flag, x, mark, n); }
EXPORT(nonfinite_f32)
KERNEL nonfinite_bf16(int* flag, const bf16* x, int64_t mark, int64_t n) { nonfinite(flag, x, mark, n); }
EXPORT(nonfinite_bf16)
