// What kernels use of CUDA, for one thread at a time: each GPU thread is a fiber,
// and a fiber that waits for others yields to them. Calls that a warp makes together
// (shuffles, votes, products on tensor cores) collect their operands; the last lane
// to come works out all lanes' results.
//
// Stricter than a GPU: all 32 lanes must meet in the same call, all threads of a
// block in the same barrier, and copies to shared memory happen as late as they may.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <functional>
#include <string>

#define __global__
#define __device__ static
#define __shared__ static
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

struct dim3 {
	unsigned x, y, z;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

using std::max;
using std::min;

namespace emulator {

[[noreturn]] void fail(const char* format, ...);

// together hands in this lane's call. work gets all lanes' calls once they are
// there; result is what it left in this lane's.
void together(void (*work)(void** calls), void* call);

void block_barrier();
unsigned char* dynamic_shared();
void copy_later(void* to, const void* from, bool there);
void close_copies();
void finish_copies(size_t but);

// Kernel is a function that is called with slots of 8 bytes.
struct Kernel {
	std::function<void(const uint64_t*)> call;
	std::string parameters; // p: address, i: int64, f: float32
};
void add(const char* name, Kernel kernel);

template <typename P> P from_slot(uint64_t slot) {
	P p;
	memcpy(&p, &slot, sizeof(P));
	return p;
}

inline char letter(const void*) { return 'p'; }
inline char letter(int64_t) { return 'i'; }
inline char letter(float) { return 'f'; }

template <typename... P, size_t... I>
void call(void (*f)(P...), const uint64_t* slots, std::index_sequence<I...>) {
	f(from_slot<P>(slots[I])...);
}

struct Export {
	template <typename... P> Export(const char* name, void (*f)(P...)) {
		add(name, {[f](const uint64_t* slots) { call(f, slots, std::index_sequence_for<P...>()); }, std::string{letter(P())...}});
	}
};

template <typename T> struct Shuffle {
	T value, result;
	int lane;
};

template <typename T> T shuffle(T value, int lane) {
	Shuffle<T> call{value, value, lane};
	together(
		[](void** calls) {
			for (int i = 0; i < 32; i++) {
				auto* c = static_cast<Shuffle<T>*>(calls[i]);
				c->result = static_cast<Shuffle<T>*>(calls[c->lane & 31])->value;
			}
		},
		&call);
	return call.result;
}

} // namespace emulator

#define EXPORT(kernel) static emulator::Export export_##kernel(#kernel, &kernel);
#define DYNAMIC_SHARED(name) unsigned char* name = emulator::dynamic_shared()

inline void __syncthreads() { emulator::block_barrier(); }

inline void __syncwarp() {
	int none;
	emulator::together([](void**) {}, &none);
}

template <typename T> T __shfl_xor_sync(unsigned, T x, int mask) { return emulator::shuffle(x, (int)(threadIdx.x % 32) ^ mask); }
template <typename T> T __shfl_sync(unsigned, T x, int lane) { return emulator::shuffle(x, lane); }

inline unsigned __ballot_sync(unsigned, bool yes) {
	uint32_t vote = yes;
	emulator::together(
		[](void** calls) {
			uint32_t all = 0;
			for (int i = 0; i < 32; i++) all |= *static_cast<uint32_t*>(calls[i]) << i;
			for (int i = 0; i < 32; i++) *static_cast<uint32_t*>(calls[i]) = all;
		},
		&vote);
	return vote;
}

inline int __ffs(int x) { return __builtin_ffs(x); }
inline float __expf(float x) { return expf(x); }
inline uint32_t __float_as_uint(float x) {
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}
inline float __uint_as_float(uint32_t x) { return emulator::from_slot<float>(x); }
