// Tensor cores, for kernels/tensorcore.cuh: where a lane's registers lie in a tile is
// as the PTX manual has it (mma.m16n8k16, ldmatrix).
#pragma once
#include "cuda.h"

struct bf16;

namespace emulator {

inline float low(uint32_t pair) { return from_slot<float>(pair << 16); }
inline float high(uint32_t pair) { return from_slot<float>(pair & 0xffff0000u); }

struct Mma {
	float* c;
	const uint32_t* a;
	uint32_t b[2];
};

inline void multiply(void** calls) {
	float a[16][16], b[16][8];
	for (int lane = 0; lane < 32; lane++) {
		auto* m = static_cast<Mma*>(calls[lane]);
		int g = lane / 4, j = lane % 4 * 2;
		for (int i = 0; i < 4; i++) {
			a[g + i % 2 * 8][j + i / 2 * 8] = low(m->a[i]);
			a[g + i % 2 * 8][j + i / 2 * 8 + 1] = high(m->a[i]);
		}
		for (int i = 0; i < 2; i++) {
			b[j + i * 8][g] = low(m->b[i]);
			b[j + i * 8 + 1][g] = high(m->b[i]);
		}
	}
	for (int lane = 0; lane < 32; lane++) {
		auto* m = static_cast<Mma*>(calls[lane]);
		for (int e = 0; e < 4; e++) {
			int row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
			float sum = 0;
			for (int k = 0; k < 16; k++) sum += a[row][k] * b[k][column];
			m->c[e] += sum;
		}
	}
}

struct Matrices {
	const uint16_t* row;
	uint32_t* r;
};

template <bool transposed> void load(void** calls) {
	for (int lane = 0; lane < 32; lane++)
		if (reinterpret_cast<uintptr_t>(static_cast<Matrices*>(calls[lane])->row) % 16)
			fail("ldmatrix: the row of lane %d does not begin at a multiple of 16 bytes", lane);
	for (int lane = 0; lane < 32; lane++)
		for (int i = 0; i < 4; i++) {
			auto at = [&](int row, int column) -> uint32_t { return static_cast<Matrices*>(calls[8 * i + row])->row[column]; };
			int g = lane / 4, j = lane % 4 * 2;
			static_cast<Matrices*>(calls[lane])->r[i] = transposed ? at(j, g) | at(j + 1, g) << 16 : at(g, j) | at(g, j + 1) << 16;
		}
}

} // namespace emulator

inline void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
	emulator::Mma call{c, a, {b0, b1}};
	emulator::together(emulator::multiply, &call);
}

inline void load_matrices(uint32_t (&r)[4], const bf16* row) {
	emulator::Matrices call{reinterpret_cast<const uint16_t*>(row), r};
	emulator::together(emulator::load<false>, &call);
}

inline void load_transposed(uint32_t (&r)[4], const bf16* row) {
	emulator::Matrices call{reinterpret_cast<const uint16_t*>(row), r};
	emulator::together(emulator::load<true>, &call);
}

inline void copy16(void* to, const void* from, bool there) { emulator::copy_later(to, from, there); }
inline void copies_end() { emulator::close_copies(); }
template <int n> void copies_wait() { emulator::finish_copies(n); }
inline float power2(float x) { return exp2f(x); }
