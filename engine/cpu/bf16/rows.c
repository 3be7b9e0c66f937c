//go:build cgo && amd64

// Activation functions on n elements.

#include "kernel.h"
#include "vector.h"

// h = silu(g)·u
TARGET void bf16_swiglu(uint16_t *h, const uint16_t *g, const uint16_t *u, int n)
{
	for (int i = 0; i < n; i += COLS) {
		__mmask32 m = first(n - i);
		pair32 v = widen(_mm512_maskz_loadu_epi16(m, g + i)), w = widen(_mm512_maskz_loadu_epi16(m, u + i));
		_mm512_mask_storeu_epi16(h + i, m, narrow(
			_mm512_mul_ps(_mm512_mul_ps(v.lo, w.lo), sigmoid(v.lo)),
			_mm512_mul_ps(_mm512_mul_ps(v.hi, w.hi), sigmoid(v.hi))));
	}
}

// du = dh·s·g, dg = dh·s·u·(1 + g·(1−s)) for s = sigmoid(g).
INLINE void swiglu_grad(__m512 *dg, __m512 *du, __m512 g, __m512 u, __m512 dh)
{
	__m512 s = sigmoid(g), t = _mm512_mul_ps(dh, s);
	*du = _mm512_mul_ps(t, g);
	*dg = _mm512_mul_ps(_mm512_mul_ps(t, u), _mm512_fmadd_ps(g, _mm512_sub_ps(_mm512_set1_ps(1), s), _mm512_set1_ps(1)));
}

TARGET void bf16_swiglu_grad(uint16_t *dg, uint16_t *du, const uint16_t *g, const uint16_t *u, const uint16_t *dh, int n)
{
	for (int i = 0; i < n; i += COLS) {
		__mmask32 m = first(n - i);
		pair32 v = widen(_mm512_maskz_loadu_epi16(m, g + i)), w = widen(_mm512_maskz_loadu_epi16(m, u + i));
		pair32 d = widen(_mm512_maskz_loadu_epi16(m, dh + i)), x, y;
		swiglu_grad(&x.lo, &y.lo, v.lo, w.lo, d.lo);
		swiglu_grad(&x.hi, &y.hi, v.hi, w.hi, d.hi);
		_mm512_mask_storeu_epi16(dg + i, m, narrow(x.lo, x.hi));
		_mm512_mask_storeu_epi16(du + i, m, narrow(y.lo, y.hi));
	}
}
