// Kernels that are wrong, and one for each thing that kernels stand on, to test the
// emulator with. Names that begin with test_ are not listed.
#include <stddef.h>

#include "tensorcore.cuh"

// Half of a warp passes by a barrier.
KERNEL test_barrier(int* out) {
	if (threadIdx.x < 16) __syncthreads();
	out[threadIdx.x] = 1;
}
EXPORT(test_barrier)

// Half of a warp passes by a shuffle.
KERNEL test_shuffle(float* out) {
	float x = (float)threadIdx.x;
	if (threadIdx.x < 16) x = __shfl_xor_sync(0xffffffffu, x, 1);
	out[threadIdx.x] = x;
}
EXPORT(test_shuffle)

// A thread reads what another writes, without a barrier where `wait` is 0.
KERNEL test_race(int* out, int64_t wait) {
	DYNAMIC_SHARED(shared);
	int* all = reinterpret_cast<int*>(shared);
	all[threadIdx.x] = (int)threadIdx.x;
	if (wait) __syncthreads();
	out[threadIdx.x] = all[(threadIdx.x + 1) % blockDim.x];
}
EXPORT(test_race)

// Copies that are read before they are waited for where `wait` is 0.
KERNEL test_copy(int* out, const int* in, int64_t wait) {
	DYNAMIC_SHARED(shared);
	int* all = reinterpret_cast<int*>(shared);
	copy16(all + 4 * threadIdx.x, in + 4 * threadIdx.x, threadIdx.x % 2 == 0);
	copies_end();
	if (wait) copies_wait<0>();
	__syncthreads();
	for (int i = 0; i < 4; i++) out[4 * threadIdx.x + i] = all[4 * threadIdx.x + i];
	copies_wait<0>();
}
EXPORT(test_copy)

// c[16,8] = a[16,16]·b[16,8], one warp; b lies transposed, [8,16], where bt is not 0.
KERNEL test_product(float* c, const bf16* a, const bf16* b, int64_t bt) {
	DYNAMIC_SHARED(shared);
	bf16* left = reinterpret_cast<bf16*>(shared); // [16][16]
	bf16* right = left + 256;                     // [16][16], of which b is the first columns or rows
	int lane = threadIdx.x;
	for (int i = lane; i < 256; i += WARP) {
		left[i] = a[i];
		right[i].bits = 0;
	}
	__syncwarp();
	for (int i = lane; i < 128; i += WARP) right[bt ? i : i / 8 * 16 + i % 8] = b[i];
	__syncwarp();
	uint32_t l[4], r[4];
	load_matrices(l, left + lane % 16 * 16 + lane / 16 * 8);
	if (bt)
		load_matrices(r, right + (lane % 8 + lane / 16 * 8) * 16 + lane / 8 % 2 * 8);
	else
		load_transposed(r, right + lane % 16 * 16 + lane / 16 * 8);
	float sum[4] = {0, 0, 0, 0};
	mma(sum, l, r[0], r[1]);
	for (int e = 0; e < 4; e++) c[(lane / 4 + e / 2 * 8) * 8 + lane % 4 * 2 + e % 2] = sum[e];
}
EXPORT(test_product)
