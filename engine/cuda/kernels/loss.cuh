// What the losses of a chunk of logits share. A block takes a token. Shapes: V
// vocabulary; T is the type of the logits' gradient, which may take their place.
#pragma once
#include "device.cuh"

const int LOSS_THREADS = 512, LOSS_WARPS = LOSS_THREADS / WARP;

// block_max is as block_sum.
__device__ __forceinline__ float block_max(float x, float* own) {
	x = warp_max(x);
	if (threadIdx.x % WARP == 0) own[threadIdx.x / WARP] = x;
	__syncthreads();
	x = own[0];
	for (int i = 1; i < LOSS_WARPS; i++) x = fmaxf(x, own[i]);
	__syncthreads();
	return x;
}

// each_logit calls f for every i < vocab, four at a time where row and vocabulary
// allow it.
template <int vector, typename F> __device__ __forceinline__ void each_logit(int vocab, F f) {
	for (int i = vector * threadIdx.x; i < vocab; i += vector * LOSS_THREADS) f(i);
}

// write_gradient sets g[i] = f(i) for a row. A bf16 gradient may lie in the first
// half of its row of logits: all threads have read what a round of writes covers,
// and later rounds read beyond it.
template <typename T, typename F> __device__ __forceinline__ void write_gradient(T* g, int vocab, bool four, F f) {
	if (four) {
		for (int first = 0; first < vocab; first += 4 * LOSS_THREADS) {
			int i = first + 4 * threadIdx.x;
			float v[4];
			if (i < vocab)
				for (int k = 0; k < 4; k++) v[k] = f(i + k);
			if (sizeof(T) < sizeof(float)) __syncthreads();
			if (i < vocab) store4(g + i, v);
		}
		return;
	}
	for (int first = 0; first < vocab; first += LOSS_THREADS) {
		int i = first + threadIdx.x;
		float v = i < vocab ? f(i) : 0;
		if (sizeof(T) < sizeof(float)) __syncthreads();
		if (i < vocab) store(g[i], v);
	}
}

// online adds exp(x) to sum·exp(top), keeping top the largest so far.
__device__ __forceinline__ void online(float& top, float& sum, float x) {
	if (x > top) {
		sum = sum * __expf(top - x) + 1;
		top = x;
	} else {
		sum += __expf(x - top);
	}
}
