// Tensor cores (compute capability 8.0 and above): the product of two tiles whose
// parts lie in a warp's registers, the loads of those parts from shared memory, and
// asynchronous copies into it. The emulator has the same functions, lane by lane.
//
// A part of a tile, for lane l of a warp, g = l/4 and j = l%4, two bf16 a register:
//	A[16×16]: a0 = A[g, 2j..], a1 = A[g+8, 2j..], a2 = A[g, 2j+8..], a3 = A[g+8, 2j+8..]
//	B[16×8]:  b0 = B[2j.., g], b1 = B[2j+8.., g]
//	C[16×8]:  c0, c1 = C[g, 2j..], c2, c3 = C[g+8, 2j..], float32
#pragma once
#include "device.cuh"
#ifdef EMULATOR
#include "tensorcore.h"
#endif

#ifdef __CUDA_ARCH__

// c += A·B.
__device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
				 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
				 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four matrices of 8×8 bf16: lanes 8i to 8i+7 give the addresses of the rows of
// matrix i, and lane l gets its row l/4, columns 2·(l%4) and the next, in r[i].
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const bf16* row) {
	uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
				 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
				 : "r"(at)
				 : "memory");
}

// The same, but lane l gets column l/4, rows 2·(l%4) and the next.
__device__ __forceinline__ void load_transposed(uint32_t (&r)[4], const bf16* row) {
	uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
				 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
				 : "r"(at)
				 : "memory");
}

// copy16 starts a copy of 16 bytes to shared memory, or fills them with zeros.
__device__ __forceinline__ void copy16(void* to, const void* from, bool there) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(to)), "l"(from), "r"(there ? 16 : 0)
				 : "memory");
}

// copies_end closes a group of the copies started since the last.
__device__ __forceinline__ void copies_end() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// copies_wait waits until at most n of this thread's groups are under way.
template <int n> __device__ __forceinline__ void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory"); }

// 2ˣ, to about 2 parts in 10⁷.
__device__ __forceinline__ float power2(float x) {
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

#elif !defined(EMULATOR) // nvcc's pass over the host's side, which has no kernels

void mma(float (&)[4], const uint32_t (&)[4], uint32_t, uint32_t);
void load_matrices(uint32_t (&)[4], const bf16*);
void load_transposed(uint32_t (&)[4], const bf16*);
void copy16(void*, const void*, bool);
void copies_end();
template <int n> void copies_wait();
float power2(float);

#endif
