//go:build cgo && amd64

// Activation functions on n elements, and softmax of logits.

#include "kernel.h"
#include "vector.h"
#include <math.h>

// h[rows,f] = silu(g)·u of x[rows,2f], whose columns are g and u. Each is too short
// for the processor to see where it leads: it is told to read the next row.
TARGET void bf16_swiglu(uint16_t *h, const uint16_t *x, int rows, int f)
{
	for (int r = 0; r < rows; r++, h += f, x += 2 * f)
		for (int i = 0; i < f; i += COLS) {
			const uint16_t *g = x + i, *u = g + f;
			__mmask32 m = first(f - i);
			_mm_prefetch(g + 2 * f, _MM_HINT_T0);
			_mm_prefetch(u + 2 * f, _MM_HINT_T0);
			pair32 v = widen(_mm512_maskz_loadu_epi16(m, g)), w = widen(_mm512_maskz_loadu_epi16(m, u));
			store32(h + i, m, narrow(
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

// dx[rows,2f] for dh[rows,f], both as above.
TARGET void bf16_swiglu_grad(uint16_t *dx, const uint16_t *x, const uint16_t *dh, int rows, int f)
{
	for (int r = 0; r < rows; r++, dx += 2 * f, x += 2 * f, dh += f)
		for (int i = 0; i < f; i += COLS) {
			const uint16_t *g = x + i, *u = g + f;
			__mmask32 m = first(f - i);
			_mm_prefetch(g + 2 * f, _MM_HINT_T0);
			_mm_prefetch(u + 2 * f, _MM_HINT_T0);
			_mm_prefetch(dh + i + f, _MM_HINT_T0);
			pair32 v = widen(_mm512_maskz_loadu_epi16(m, g)), w = widen(_mm512_maskz_loadu_epi16(m, u));
			pair32 d = widen(_mm512_maskz_loadu_epi16(m, dh + i)), a, b;
			swiglu_grad(&a.lo, &b.lo, v.lo, w.lo, d.lo);
			swiglu_grad(&a.hi, &b.hi, v.hi, w.hi, d.hi);
			store32(dx + i, m, narrow(a.lo, a.hi));
			store32(dx + f + i, m, narrow(b.lo, b.hi));
		}
}

// A piece of n logits of each row: e = exp(s − top) in bf16 (unless null), and
// the piece's largest logit and total.
TARGET void bf16_exp_rows(uint16_t *e, int64_t lde, const float *s, int64_t lds, int rows, int n, float *top, float *sum)
{
	for (int r = 0; r < rows; r++, s += lds) {
		__m512 most = _mm512_set1_ps(-INFINITY), t = _mm512_setzero_ps();
		for (int j = 0; j < n; j += 16) {
			__mmask16 m = first(n - j);
			most = _mm512_mask_max_ps(most, m, most, _mm512_maskz_loadu_ps(m, s + j));
		}
		top[r] = _mm512_reduce_max_ps(most);
		__m512 scale = _mm512_set1_ps(LOG2E), shift = _mm512_set1_ps(-top[r] * LOG2E);
		for (int j = 0; j < n; j += COLS) {
			__mmask32 m = first(n - j);
			__m512 x = exp2_512(_mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, s + j), scale, shift));
			__m512 y = exp2_512(_mm512_fmadd_ps(_mm512_maskz_loadu_ps(m >> 16, s + j + 16), scale, shift));
			x = _mm512_maskz_mov_ps(m, x);
			y = _mm512_maskz_mov_ps(m >> 16, y);
			t = _mm512_add_ps(t, _mm512_add_ps(x, y));
			if (e) {
				__builtin_prefetch(e + (r + 8) * lde + j, 1);
				store32(e + r * lde + j, m, narrow(x, y));
			}
		}
		sum[r] = _mm512_reduce_add_ps(t);
	}
}

// x[i] *= a[i / width] on n elements; width is a multiple of 32.
TARGET void bf16_scale_pieces(uint16_t *x, const float *a, int width, int n)
{
	for (int i = 0; i < n; i += COLS) {
		const __m512 scale = _mm512_set1_ps(a[i / width]);
		__mmask32 m = first(n - i);
		pair32 v = widen(_mm512_maskz_loadu_epi16(m, x + i));
		store32(x + i, m, narrow(_mm512_mul_ps(v.lo, scale), _mm512_mul_ps(v.hi, scale)));
	}
}
