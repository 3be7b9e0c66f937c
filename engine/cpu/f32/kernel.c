//go:build cgo && amd64

#include "kernel.h"

#define TARGET __attribute__((target("avx512f,avx512bw")))
#include "../bf16/tile.h"

int f32_available(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

// Rows that the processor is told ahead.
enum { AHEAD = 24 };

// Panels of B[k,n]: panel, row, column. Columns beyond n are zero.
TARGET void f32_pack(float *dst, const float *b, int64_t ldb, int k, int n)
{
	for (int j = 0; j < n; j += COLS) {
		__mmask32 m = first(n - j);
		for (int i = 0; i < k; i++, dst += COLS) {
			_mm512_storeu_ps(dst, _mm512_maskz_loadu_ps(m, b + i * ldb + j));
			_mm512_storeu_ps(dst + 16, _mm512_maskz_loadu_ps(m >> 16, b + i * ldb + j + 16));
		}
	}
}

// Panels of B[k,n] where it is stored as its transpose [n,k].
TARGET void f32_pack_transposed(float *dst, const float *b, int64_t ldb, int k, int n)
{
	for (int j = 0; j < n; j += COLS, dst += (int64_t)k * COLS)
		for (int half = 0; half < COLS; half += 16)
			for (int p = 0; p < k; p += 16) {
				__m512i r[16];
				__mmask32 m = first(k - p);
				for (int i = 0; i < 16; i++) {
					int row = j + half + i;
					r[i] = row < n ? _mm512_maskz_loadu_epi32(m, b + row * ldb + p) : _mm512_setzero_si512();
				}
				transpose16(r);
				for (int i = 0; i < 16 && p + i < k; i++)
					_mm512_storeu_si512(dst + (int64_t)(p + i) * COLS + half, r[i]);
			}
}

// A[k,m], whose columns are rows of the result, as strips of 12 columns: strip, row,
// column. Where it lies, its rows would share few sets of the cache. A group of columns
// is read together, six cache lines. A store of a whole vector reaches into the strip's
// next row, which is written after it; the last row's is masked.
enum { GROUP = 8 * ROWS };

TARGET void f32_strip(float *dst, const float *a, int64_t lda, int k, int m)
{
	int64_t strip = (int64_t)k * ROWS;
	for (int g = 0; g < m; g += GROUP, dst += strip * (GROUP / ROWS)) {
		int columns = m - g < GROUP ? m - g : GROUP;
		for (int i = 0; i < k; i++) {
			const float *x = a + i * lda + g;
			float *to = dst + i * ROWS;
			fetch(x + AHEAD * lda, GROUP * sizeof(float));
			if (columns == GROUP && i + 1 < k) {
				for (int j = 0; j < GROUP; j += ROWS, to += strip)
					_mm512_storeu_ps(to, _mm512_maskz_loadu_ps(first(ROWS), x + j));
				continue;
			}
			for (int j = 0; j < columns; j += ROWS, to += strip)
				_mm512_mask_storeu_ps(to, first(ROWS), _mm512_maskz_loadu_ps(first(columns - j < ROWS ? columns - j : ROWS), x + j));
		}
	}
}

// rows ≤ 12 of C against one panel: 2·rows sums stay in registers.
INLINE void tile(const int rows, int k, const float *a, int64_t row, int64_t step, const float *b,
		 float *c, int64_t ldc, int cols, int add)
{
	__m512 s[ROWS][2];
	for (int i = 0; i < rows; i++) {
		s[i][0] = s[i][1] = _mm512_setzero_ps();
		if (add) // is read when the sums are there
			fetch(c + i * ldc, COLS * sizeof(float));
	}
	for (int p = 0; p < k; p++, a += step, b += COLS) {
		__m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
		for (int i = 0; i < rows; i++) {
			__m512 x = _mm512_set1_ps(a[i * row]);
			s[i][0] = _mm512_fmadd_ps(x, b0, s[i][0]);
			s[i][1] = _mm512_fmadd_ps(x, b1, s[i][1]);
		}
	}
	__mmask32 m = first(cols);
	for (int i = 0; i < rows; i++) {
		float *y = c + i * ldc;
		if (add) {
			s[i][0] = _mm512_add_ps(s[i][0], _mm512_maskz_loadu_ps(m, y));
			s[i][1] = _mm512_add_ps(s[i][1], _mm512_maskz_loadu_ps(m >> 16, y + 16));
		}
		_mm512_mask_storeu_ps(y, m, s[i][0]);
		_mm512_mask_storeu_ps(y + 16, m >> 16, s[i][1]);
	}
}

TARGET static void tiles(int rows, int k, const float *a, int64_t row, int64_t step, const float *b,
			 float *c, int64_t ldc, int cols, int add)
{
#define CASE(n) case n: tile(n, k, a, row, step, b, c, ldc, cols, add); break;
	switch (rows < ROWS ? rows : ROWS) {
	CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
	}
#undef CASE
}

// C[m,n] = A·B, or is added to, for a packed B. A's elements are row floats apart from
// row to row, strip floats from 12 rows to the next and step floats along the sum. The
// smaller operand is walked in the inner loop and stays in cache.
//
// Products of attention leave out what no query sees. Query r of a block sees the keys
// up to first_key+r. What is left out is not written where queries are rows and keys
// columns of C (CAUSAL_COLUMNS), and not summed where queries are rows of C and keys are
// summed (CAUSAL_DEPTH), or keys are rows of C and queries are summed (CAUSAL_ROWS).
TARGET void f32_gemm(int m, int n, int k, const float *a, int64_t strip, int64_t row, int64_t step,
		     const float *b, float *c, int64_t ldc, int add, int causal, int first_key)
{
	int by_columns = m < n;
	int outer = by_columns ? n : m, inner = by_columns ? m : n;
	for (int x = 0; x < outer; x += by_columns ? COLS : ROWS)
		for (int y = 0; y < inner; y += by_columns ? ROWS : COLS) {
			int i = by_columns ? y : x, j = by_columns ? x : y;
			int from = 0, to = k, seen = first_key + i + ROWS;
			if (causal == CAUSAL_COLUMNS && j >= seen)
				continue;
			if (causal == CAUSAL_DEPTH && seen < k)
				to = seen > 0 ? seen : 0;
			if (causal == CAUSAL_ROWS && i > first_key)
				from = i - first_key;
			if (from > to)
				from = to;
			tiles(m - i, to - from, a + i / ROWS * strip + from * step, row, step,
			      b + (int64_t)j * k + (int64_t)from * COLS, c + i * ldc + j, ldc, n - j, add);
		}
}
