// What kernels of tiles share, here and in package f32, for the processor that TARGET
// names: the size of a tile, masks, prefetching, transposition.

#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

// A tile of a result: its sums stay in registers.
enum { COLS = 32, ROWS = 12 };

INLINE __mmask32 first(int n) { return n >= 32 ? 0xffffffffu : (1u << n) - 1; }

// Asks for the cache lines of x that are read soon.
INLINE void fetch(const void *x, int bytes)
{
	for (int b = 0; b < bytes; b += 64)
		_mm_prefetch((const char *)x + b, _MM_HINT_T0);
}

// 16 rows of 16 elements of 4 bytes become 16 columns.
INLINE void transpose16(__m512i r[16])
{
	__m512i t[16];
	for (int i = 0; i < 8; i++) {
		t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
		t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
	}
	for (int i = 0; i < 4; i++) {
		r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
		r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
		r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
		r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
	}
	for (int i = 0; i < 4; i++) {
		r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
		r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
		r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
		r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
	}
}
