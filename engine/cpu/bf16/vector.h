// What the kernels share: conversions, exponentials, interleaving.

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#include "tile.h"

static const float LOG2E = 1.44269504f;

// Columns of j … j+31 from low on and before high.
INLINE __mmask32 between(int j, int low, int high)
{
	if (high <= j)
		return 0;
	return first(high - j) & (low <= j ? 0xffffffffu : low - j >= 32 ? 0 : ~0u << (low - j));
}

// 32 elements as two vectors of float32, and back, rounded to nearest even.
typedef struct { __m512 lo, hi; } pair32;

INLINE pair32 widen(__m512i x)
{
	return (pair32){
		(__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(x)), 16),
		(__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(x, 1)), 16),
	};
}

INLINE __m512i narrow(__m512 lo, __m512 hi) { return (__m512i)_mm512_cvtne2ps_pbh(hi, lo); }

INLINE __m512i load_narrow(const float *x, __mmask32 m)
{
	return narrow(_mm512_maskz_loadu_ps(m, x), _mm512_maskz_loadu_ps(m >> 16, x + 16));
}

// A whole vector without a mask, which takes longer to store.
INLINE void store32(uint16_t *x, __mmask32 m, __m512i v)
{
	if (m == 0xffffffffu)
		_mm512_storeu_si512(x, v);
	else
		_mm512_mask_storeu_epi16(x, m, v);
}

// Two rows of 32 elements become 32 pairs, in order.
INLINE void interleave(uint16_t *dst, __m512i x, __m512i y)
{
	const __m512i lo = _mm512_set_epi16(
		47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
		39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
	const __m512i hi = _mm512_add_epi16(lo, _mm512_set1_epi16(16));
	_mm512_storeu_si512(dst, _mm512_permutex2var_epi16(x, lo, y));
	_mm512_storeu_si512(dst + 32, _mm512_permutex2var_epi16(x, hi, y));
}

// 2ˣ to 1e-7: x = n + f, |f| ≤ 1/2, and the polynomial of degree 5 with the
// least relative error for 2ᶠ. The order of max's and min's operands lets a NaN
// through.
INLINE __m512 exp2_512(__m512 x)
{
	x = _mm512_min_ps(_mm512_set1_ps(126), _mm512_max_ps(_mm512_set1_ps(-150), x));
	__m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m512 f = _mm512_sub_ps(x, n);
	__m512 p = _mm512_fmadd_ps(_mm512_set1_ps(1.3276472e-3f), f, _mm512_set1_ps(9.6755410e-3f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.5507131e-2f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4022120e-1f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9314694e-1f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0000001e0f));
	return _mm512_scalef_ps(p, n);
}

// The same to 3e-6 for a softmax whose results become bf16: x is finite and at most
// about 0.
INLINE __m512 exp2_falling(__m512 x)
{
	__m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m512 f = _mm512_sub_ps(x, n);
	__m512 p = _mm512_fmadd_ps(_mm512_set1_ps(9.5701020e-3f), f, _mm512_set1_ps(5.5917862e-2f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4024745e-1f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9312182e-1f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.9999926e-1f));
	return _mm512_scalef_ps(p, n);
}

// 1/(1+e⁻ˣ): the estimate of a reciprocal and one step of Newton's.
INLINE __m512 sigmoid(__m512 x)
{
	__m512 d = _mm512_add_ps(_mm512_set1_ps(1), exp2_512(_mm512_mul_ps(x, _mm512_set1_ps(-LOG2E))));
	__m512 r = _mm512_rcp14_ps(d);
	return _mm512_mul_ps(r, _mm512_fnmadd_ps(d, r, _mm512_set1_ps(2)));
}
