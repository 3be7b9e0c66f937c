// What every kernel stands on: element types, loads of several elements at once,
// sums over a warp and a block.
//
// The same sources are compiled for the GPU by nvcc and, with EMULATOR defined,
// for the CPU by a C++ compiler, where ../emulator/machine/cuda.h stands in for CUDA.
// EXPORT makes a kernel known to the emulator; nvcc finds it by its name.
#pragma once
#include <stdint.h>

#ifdef EMULATOR
#include "cuda.h"
#else
#define EXPORT(kernel)
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

#define KERNEL extern "C" __global__ void

const int WARP = 32;

// bf16 is the upper half of a float32.
struct bf16 {
	uint16_t bits;
};

__device__ __forceinline__ float value(float x) { return x; }
__device__ __forceinline__ float value(bf16 x) { return __uint_as_float((uint32_t)x.bits << 16); }

// round2 rounds two floats to bf16, to nearest, ties to even; lo goes to the low
// half.
__device__ __forceinline__ uint32_t round2(float lo, float hi) {
#ifdef __CUDA_ARCH__
	uint32_t r;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
	return r;
#else
	auto one = [](float x) -> uint32_t {
		uint32_t u = __float_as_uint(x);
		if (x != x) return u >> 16 | 0x40;
		return (u + 0x7fff + (u >> 16 & 1)) >> 16;
	};
	return one(lo) | one(hi) << 16;
#endif
}

__device__ __forceinline__ void store(float& to, float x) { to = x; }
__device__ __forceinline__ void store(bf16& to, float x) { to.bits = (uint16_t)round2(x, 0); }

// rounded is x as T keeps it.
template <typename T> __device__ __forceinline__ float rounded(float x) {
	T t;
	store(t, x);
	return value(t);
}

// Words is memory for 4, 8 or 16 bytes that are read and written at once.
template <int bytes> struct Words;
template <> struct Words<4> {
	uint32_t w[1];
};
template <> struct __align__(8) Words<8> {
	uint32_t w[2];
};
template <> struct __align__(16) Words<16> {
	uint32_t w[4];
};

__device__ __forceinline__ void unpack(float (&x)[4], const Words<16>& p) {
	for (int i = 0; i < 4; i++) x[i] = __uint_as_float(p.w[i]);
}
__device__ __forceinline__ void unpack(float (&x)[4], const Words<8>& p) {
	for (int i = 0; i < 2; i++) {
		x[2 * i] = __uint_as_float(p.w[i] << 16);
		x[2 * i + 1] = __uint_as_float(p.w[i] & 0xffff0000u);
	}
}

// load4 and store4 move four elements whose address is a multiple of their size.
__device__ __forceinline__ void load4(float (&x)[4], const float* p) {
	unpack(x, *reinterpret_cast<const Words<16>*>(p));
}
__device__ __forceinline__ void load4(float (&x)[4], const bf16* p) {
	unpack(x, *reinterpret_cast<const Words<8>*>(p));
}
__device__ __forceinline__ void store4(float* p, const float (&x)[4]) {
	Words<16> t;
	for (int i = 0; i < 4; i++) t.w[i] = __float_as_uint(x[i]);
	*reinterpret_cast<Words<16>*>(p) = t;
}
__device__ __forceinline__ void store4(bf16* p, const float (&x)[4]) {
	Words<8> t;
	for (int i = 0; i < 2; i++) t.w[i] = round2(x[2 * i], x[2 * i + 1]);
	*reinterpret_cast<Words<8>*>(p) = t;
}

// fours reports whether four elements at p can be moved at once.
template <typename T> __device__ __forceinline__ bool fours(const T* p) {
	return (reinterpret_cast<uintptr_t>(p) & (4 * sizeof(T) - 1)) == 0;
}

__device__ __forceinline__ float warp_sum(float x) {
	for (int i = WARP / 2; i > 0; i /= 2) x += __shfl_xor_sync(0xffffffffu, x, i);
	return x;
}

__device__ __forceinline__ double warp_sum(double x) {
	for (int i = WARP / 2; i > 0; i /= 2) x += __shfl_xor_sync(0xffffffffu, x, i);
	return x;
}

__device__ __forceinline__ float warp_max(float x) {
	for (int i = WARP / 2; i > 0; i /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, i));
	return x;
}

__device__ __forceinline__ int warp_min(int x) {
	for (int i = WARP / 2; i > 0; i /= 2) x = min(x, __shfl_xor_sync(0xffffffffu, x, i));
	return x;
}

// block_sum is the sum of x over the block, whose size is a multiple of a warp;
// every thread gets it. The order of the sum is fixed by the block's size. own is
// the block's memory for one number a warp; it is free again afterwards.
template <typename F> __device__ __forceinline__ F block_sum(F x, F* own) {
	x = warp_sum(x);
	if (threadIdx.x % WARP == 0) own[threadIdx.x / WARP] = x;
	__syncthreads();
	F sum = 0;
	for (int i = 0; i < (int)blockDim.x / WARP; i++) sum += own[i];
	__syncthreads();
	return sum;
}
