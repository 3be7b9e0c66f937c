//go:build cgo && amd64

// What attention does between its products, on blocks of rows of one head.
// Scores s[r][j] of query r and key j lie stride floats apart. Query r sees the
// keys from[r] (0 without from) to first+r, counted from the block's first
// column; first may be negative: then the first queries see none.

#include "kernel.h"
#include "vector.h"
#include <math.h>

// A head's rows lie far apart: the processor is told this many rows ahead.
enum { SOON = 16 };

// RoPE: two halves of each row are turned by its angles, cos and sin [rows, half].
#define ROTATE(name, T, LOAD)                                                                         \
	TARGET void name(uint16_t *dst, int64_t ldd, const T *x, int64_t ldx, const float *cos,       \
			 const float *sin, int rows, int half)                                        \
	{                                                                                             \
		for (int r = 0; r < rows; r++, dst += ldd, x += ldx, cos += half, sin += half) {      \
			fetch(x + SOON * ldx, 2 * half * sizeof(T));                                  \
			for (int i = 0; i < half; i += 16) {                                          \
				__mmask16 m = first(half - i);                                        \
				__m512 a = LOAD(m, x + i), b = LOAD(m, x + half + i);                 \
				__m512 c = _mm512_maskz_loadu_ps(m, cos + i), s = _mm512_maskz_loadu_ps(m, sin + i); \
				store16(dst + i, m, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));      \
				store16(dst + half + i, m, _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s))); \
			}                                                                             \
		}                                                                                     \
	}

INLINE __m512 load16(__mmask16 m, const uint16_t *x)
{
	return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, x)), 16);
}

INLINE void store16(uint16_t *dst, __mmask16 m, __m512 x)
{
	_mm256_mask_storeu_epi16(dst, m, (__m256i)_mm512_cvtneps_pbh(x));
}

ROTATE(bf16_rotate, uint16_t, load16)
ROTATE(bf16_round_rotate, float, _mm512_maskz_loadu_ps)

INLINE void clear(uint16_t *x, int from, int to)
{
	for (; from < to; from += COLS)
		_mm512_mask_storeu_epi16(x + from, first(to - from), _mm512_setzero_si512());
}

// Each row of s becomes exp(a·s − top), top its largest a·s, in bf16 in the
// first half of its memory, with zeros for the keys that it does not see up to
// width. sum is the row's total before rounding.
TARGET void bf16_softmax(float *s, int64_t stride, int rows, int width, int first_key, const int32_t *from, int skip, float a,
			 float *top, float *sum)
{
	const __m512 scale = _mm512_set1_ps(a * LOG2E);
	for (int r = 0; r < rows; r++, s += stride) {
		uint16_t *p = (uint16_t *)s;
		int low = from ? from[r] - skip : 0, high = first_key + r + 1;
		int begin = low & ~(COLS - 1);
		__m512 most = _mm512_set1_ps(-INFINITY), most2 = most;
		for (int j = begin; j < high; j += COLS) {
			__mmask32 m = between(j, low, high);
			most = _mm512_mask_max_ps(most, m, most, _mm512_maskz_loadu_ps(m, s + j));
			most2 = _mm512_mask_max_ps(most2, m >> 16, most2, _mm512_maskz_loadu_ps(m >> 16, s + j + 16));
		}
		float largest = _mm512_reduce_max_ps(_mm512_max_ps(most, most2));
		__m512 shift = _mm512_set1_ps(-largest * a * LOG2E), t = _mm512_setzero_ps(), t2 = t;
		clear(p, 0, begin);
		for (int j = begin; j < high; j += COLS) {
			__mmask32 m = between(j, low, high);
			__m512 x = _mm512_maskz_loadu_ps(m, s + j), y = _mm512_maskz_loadu_ps(m >> 16, s + j + 16);
			x = _mm512_maskz_mov_ps(m, exp2_falling(_mm512_fmadd_ps(x, scale, shift)));
			y = _mm512_maskz_mov_ps(m >> 16, exp2_falling(_mm512_fmadd_ps(y, scale, shift)));
			t = _mm512_add_ps(t, x);
			t2 = _mm512_add_ps(t2, y);
			_mm512_storeu_si512(p + j, narrow(x, y));
		}
		clear(p, (high + COLS - 1) & ~(COLS - 1), width);
		top[r] = largest * a;
		sum[r] = _mm512_reduce_add_ps(_mm512_add_ps(t, t2));
	}
}

// dst[r][i] = o[r][i] / sum[r]
TARGET void bf16_divide_rows(uint16_t *dst, int64_t ldd, const float *o, const float *sum, int rows, int dim)
{
	for (int r = 0; r < rows; r++, dst += ldd, o += dim) {
		__m512 x = _mm512_set1_ps(1 / sum[r]);
		for (int i = 0; i < dim; i += 16) {
			__mmask16 m = first(dim - i);
			store16(dst + i, m, _mm512_mul_ps(x, _mm512_maskz_loadu_ps(m, o + i)));
		}
	}
}

// delta[r] = Σ dout·out, the sum over keys of p·dp.
TARGET void bf16_row_dots(float *delta, const uint16_t *dout, const uint16_t *out, int64_t ld, int rows, int dim)
{
	for (int r = 0; r < rows; r++, dout += ld, out += ld) {
		__m512 t = _mm512_setzero_ps();
		fetch(dout + SOON * ld, dim * sizeof(*dout));
		fetch(out + SOON * ld, dim * sizeof(*out));
		for (int i = 0; i < dim; i += 16) {
			__mmask16 m = first(dim - i);
			t = _mm512_fmadd_ps(load16(m, dout + i), load16(m, out + i), t);
		}
		delta[r] = _mm512_reduce_add_ps(t);
	}
}

typedef struct { __m512i p, ds; } gradients;

// 32 columns of a row: p = exp(a·s − lse), ds = a·p·(dp − delta).
INLINE gradients softmax_row(const float *s, const float *dp, __mmask32 m, float a, float lse, float delta)
{
	__m512 scale = _mm512_set1_ps(a * LOG2E), shift = _mm512_set1_ps(-lse * LOG2E), d = _mm512_set1_ps(delta);
	__m512 p[2], ds[2];
	for (int h = 0; h < 2; h++) {
		__mmask16 n = m >> 16 * h;
		__m512 e = exp2_falling(_mm512_fmadd_ps(_mm512_maskz_loadu_ps(n, s + 16 * h), scale, shift));
		p[h] = _mm512_maskz_mov_ps(n, e);
		__m512 g = _mm512_sub_ps(_mm512_maskz_loadu_ps(n, dp + 16 * h), d);
		ds[h] = _mm512_mul_ps(_mm512_mul_ps(_mm512_set1_ps(a), p[h]), g);
	}
	return (gradients){ narrow(p[0], p[1]), _mm512_maskz_mov_epi16(m, narrow(ds[0], ds[1])) };
}

// p and ds of a block of rows, as panels of a right side that is summed over
// rows; ds also row by row, in the first half of the memory of dp. Beyond what a
// query sees both are zero: in panels as far as CAUSAL_ROWS reads, in rows up to
// width.
TARGET void bf16_softmax_grad(uint16_t *p, uint16_t *ds, const float *s, float *dp, int64_t stride, int rows, int width,
			      int first_key, const int32_t *from, int skip, float a, const float *lse, int64_t ldl, const float *delta)
{
	int64_t panel = (int64_t)((rows + 1) / 2) * 2 * COLS;
	for (int r = 0; r < rows; r += 2) {
		int two = r + 1 < rows;
		const float *s0 = s + r * stride, *s1 = s0 + two * stride;
		float *d0 = dp + r * stride, *d1 = d0 + two * stride;
		int low0 = from ? from[r] - skip : 0, low1 = from ? from[r + two] - skip : 0;
		int high0 = first_key + r + 1, high1 = two ? high0 + 1 : 0;
		high0 = high0 < width ? high0 : width;
		high1 = high1 < width ? high1 : width;
		float lse0 = lse[r * ldl], lse1 = lse[(r + two) * ldl];
		int end = high0 < 0 ? 0 : high0 == width ? width : high0 + 1; // covers high1
		for (int j = 0; j < end; j += COLS) {
			uint16_t *pj = p + j / COLS * panel + r * COLS, *dj = ds + j / COLS * panel + r * COLS;
			gradients x = softmax_row(s0 + j, d0 + j, between(j, low0, high0), a, lse0, delta[r]);
			gradients y = softmax_row(s1 + j, d1 + j, between(j, low1, high1), a, lse1, delta[r + two]);
			interleave(pj, x.p, y.p);
			interleave(dj, x.ds, y.ds);
			_mm512_storeu_si512((uint16_t *)d0 + j, x.ds);
			if (two)
				_mm512_storeu_si512((uint16_t *)d1 + j, y.ds);
		}
		end = (end + COLS - 1) & ~(COLS - 1);
		clear((uint16_t *)d0, end, width);
		if (two)
			clear((uint16_t *)d1, end, width);
	}
}

// Up to 16 rows of sums[dim][positions], each the total over heads, become the
// columns of r.
INLINE void columns16(__m512 r[16], const float *sums, int64_t ld, int64_t head, int heads, int rows, __mmask16 m)
{
	for (int i = 0; i < 16; i++) {
		r[i] = _mm512_setzero_ps();
		for (int h = 0; i < rows && h < heads; h++)
			r[i] = _mm512_add_ps(r[i], _mm512_maskz_loadu_ps(m, sums + h * head + i * ld));
	}
	transpose16((__m512i *)r);
}

// dst[n][dim] is the sum over heads of their sums[dim][positions], rounded.
TARGET void bf16_gather(uint16_t *dst, int64_t ldd, const float *sums, int64_t ld, int64_t head, int heads, int n, int dim)
{
	for (int t = 0; t < n; t += 16)
		for (int i = 0; i < dim; i += 16) {
			__m512 r[16];
			columns16(r, sums + i * ld + t, ld, head, heads, dim - i, first(n - t));
			for (int p = 0; p < 16 && t + p < n; p++)
				store16(dst + (t + p) * ldd + i, first(dim - i), r[p]);
		}
}

// The same turned by RoPE.
TARGET void bf16_gather_rotate(uint16_t *dst, int64_t ldd, const float *sums, int64_t ld, int64_t head, int heads, int n, int half,
			       const float *cos, const float *sin)
{
	for (int t = 0; t < n; t += 16)
		for (int i = 0; i < half; i += 16) {
			__m512 a[16], b[16];
			__mmask16 m = first(half - i), positions = first(n - t);
			columns16(a, sums + i * ld + t, ld, head, heads, half - i, positions);
			columns16(b, sums + (half + i) * ld + t, ld, head, heads, half - i, positions);
			for (int p = 0; p < 16 && t + p < n; p++) {
				int64_t at = (int64_t)(t + p) * half + i;
				__m512 c = _mm512_maskz_loadu_ps(m, cos + at), s = _mm512_maskz_loadu_ps(m, sin + at);
				uint16_t *y = dst + (t + p) * ldd + i;
				store16(y, m, _mm512_fmsub_ps(a[p], c, _mm512_mul_ps(b[p], s)));
				store16(y + half, m, _mm512_fmadd_ps(b[p], c, _mm512_mul_ps(a[p], s)));
			}
		}
}
