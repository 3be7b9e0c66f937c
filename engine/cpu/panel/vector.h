// What the kernels of this folder share.
#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { COLS = 32 };

INLINE __mmask16 first(int n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1; }

// 16 × 16 elements transposed: x[j] of row i becomes x[i] of row j.
INLINE void transpose(__m512 x[16])
{
	__m512 t[16];
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
	}
	for (int i = 0; i < 16; i += 4)
		for (int j = 0; j < 2; j++) {
			__m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + 2 + j]);
			x[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
			x[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
		}
	// x[4i+j] has in its quarter q the columns 4q+j of rows 4i to 4i+3.
	for (int j = 0; j < 4; j++) {
		__m512 a = _mm512_shuffle_f32x4(x[j], x[4 + j], 0x44), b = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0x44);
		__m512 c = _mm512_shuffle_f32x4(x[j], x[4 + j], 0xee), d = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0xee);
		t[j] = _mm512_shuffle_f32x4(a, b, 0x88);
		t[4 + j] = _mm512_shuffle_f32x4(a, b, 0xdd);
		t[8 + j] = _mm512_shuffle_f32x4(c, d, 0x88);
		t[12 + j] = _mm512_shuffle_f32x4(c, d, 0xdd);
	}
	for (int i = 0; i < 16; i++)
		x[i] = t[i];
}
