//go:build cgo && amd64

#include "kernel.h"
#include "vector.h"

enum { SET = 0, ADD = 1, ROUND = 2 };

int bf16_available(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

// Rows of what is packed lie far apart, in pieces too short for the processor to
// see where they lead: it is told ahead what comes, AHEAD rows of it or the same
// columns of the next 16.
enum { AHEAD = 24 };

INLINE __m512i load_bf16(const uint16_t *x, __mmask32 m) { return _mm512_maskz_loadu_epi16(m, x); }

// Panels of B[k,n]: panel, pair of rows, column, row of the pair.
#define PACK(name, T, LOAD)                                                                           \
	TARGET void name(uint16_t *dst, const T *b, int64_t ldb, int k, int n)                        \
	{                                                                                             \
		for (int j = 0; j < n; j += COLS) {                                                   \
			__mmask32 m = first(n - j);                                                   \
			for (int i = 0; i < k; i += 2, dst += 2 * COLS) {                             \
				const T *x = b + i * ldb + j;                                         \
				const T *next = i + AHEAD < k ? x + AHEAD * ldb : x + (AHEAD - k) * ldb + COLS; \
				fetch(next, COLS * sizeof(T));                                        \
				fetch(next + ldb, COLS * sizeof(T));                                  \
				interleave(dst, LOAD(x, m), i + 1 < k ? LOAD(x + ldb, m) : _mm512_setzero_si512()); \
			}                                                                             \
		}                                                                                     \
	}

PACK(bf16_pack, uint16_t, load_bf16)
PACK(bf16_round_pack, float, load_narrow)

// Panels of B[k,n] where it is stored as its transpose [n,k].
#define PACK_TRANSPOSED(name, T, LOAD)                                                                \
	TARGET void name(uint16_t *dst, const T *b, int64_t ldb, int k, int n)                        \
	{                                                                                             \
		int pairs = (k + 1) / 2;                                                              \
		for (int j = 0; j < n; j += COLS, dst += (int64_t)pairs * 2 * COLS)                   \
			for (int half = 0; half < 2; half++)                                          \
				for (int p = 0; p < pairs; p += 16) {                                 \
					__m512i r[16];                                                \
					__mmask32 m = first(k - 2 * p);                               \
					for (int i = 0; i < 16; i++) {                                \
						int row = j + 16 * half + i;                          \
						const T *x = b + row * ldb + 2 * p;                   \
						fetch(x + 16 * ldb, COLS * sizeof(T));                \
						r[i] = row < n ? LOAD(x, m) : _mm512_setzero_si512(); \
					}                                                             \
					transpose16(r);                                               \
					for (int i = 0; i < 16 && p + i < pairs; i++)                 \
						_mm512_storeu_si512(dst + (int64_t)(p + i) * 2 * COLS + 32 * half, r[i]); \
				}                                                                     \
	}

PACK_TRANSPOSED(bf16_pack_transposed, uint16_t, load_bf16)
PACK_TRANSPOSED(bf16_round_pack_transposed, float, load_narrow)

// A[k,m], whose columns are summed, as strips of 12 columns: strip, pair of
// rows, column, row of the pair. Columns beyond m are zero. A group of columns is
// read together, three cache lines of bf16.
enum { GROUP = 8 * ROWS };

INLINE __m512i pair_rows(const uint16_t *x, const uint16_t *y, __mmask32 c)
{
	const __m512i order = _mm512_set_epi16(
		47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
		39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
	__m512i r1 = y ? _mm512_maskz_loadu_epi16(c, y) : _mm512_setzero_si512();
	return _mm512_permutex2var_epi16(_mm512_maskz_loadu_epi16(c, x), order, r1);
}

INLINE __m512i round_pair_rows(const float *x, const float *y, __mmask32 c)
{
	const __m512i order = _mm512_set_epi16(
		31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
		23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	__m512 r1 = y ? _mm512_maskz_loadu_ps(c, y) : _mm512_setzero_ps();
	return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(r1, _mm512_maskz_loadu_ps(c, x)));
}

// A store of a whole vector reaches into the strip's next pair, which is written
// after it; the last pair's is masked.
#define PAIR(name, T, PAIR_ROWS)                                                                      \
	TARGET void name(uint16_t *dst, const T *a, int64_t lda, int k, int m)                        \
	{                                                                                             \
		int64_t strip = (int64_t)((k + 1) / 2) * 2 * ROWS;                                    \
		for (int g = 0; g < m; g += GROUP, dst += strip * (GROUP / ROWS))                     \
			for (int i = 0; i < k; i += 2) {                                              \
				const T *x = a + i * lda + g, *y = i + 1 < k ? x + lda : 0;           \
				int columns = m - g < GROUP ? m - g : GROUP;                          \
				uint16_t *to = dst + i * ROWS;                                        \
				if (columns == GROUP && i + 2 < k) {                                  \
					fetch(x + AHEAD * lda, GROUP * sizeof(T));                    \
					fetch(y + AHEAD * lda, GROUP * sizeof(T));                    \
					for (int j = 0; j < GROUP; j += ROWS, to += strip)            \
						_mm512_storeu_si512(to, PAIR_ROWS(x + j, y + j, first(ROWS))); \
					continue;                                                     \
				}                                                                     \
				for (int j = 0; j < columns; j += ROWS, to += strip)                  \
					_mm512_mask_storeu_epi16(to, first(2 * ROWS),                 \
						PAIR_ROWS(x + j, y ? y + j : 0, first(columns - j < ROWS ? columns - j : ROWS))); \
			}                                                                             \
	}

PAIR(bf16_pair, uint16_t, pair_rows)
PAIR(bf16_round_pair, float, round_pair_rows)

// rows ≤ 12 of C against one panel: 2·rows sums stay in registers.
INLINE void tile(const int rows, int pairs, const uint32_t *a, int64_t row, int64_t pair,
		 const uint32_t *b, void *c, int64_t ldc, int cols, int store)
{
	__m512 s[ROWS][2];
	for (int i = 0; i < rows; i++) {
		s[i][0] = s[i][1] = _mm512_setzero_ps();
		if (store == ADD) // is read when the sums are there
			fetch((float *)c + i * ldc, COLS * sizeof(float));
	}
	for (int p = 0; p < pairs; p++, a += pair, b += COLS) {
		__m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
		for (int i = 0; i < rows; i++) {
			__m512bh x = (__m512bh)_mm512_set1_epi32(a[i * row]);
			s[i][0] = _mm512_dpbf16_ps(s[i][0], x, b0);
			s[i][1] = _mm512_dpbf16_ps(s[i][1], x, b1);
		}
	}
	__mmask32 m = first(cols);
	for (int i = 0; i < rows; i++) {
		if (store == ROUND) {
			uint16_t *y = (uint16_t *)c + i * ldc;
			_mm512_mask_storeu_epi16(y, m, (__m512i)_mm512_cvtne2ps_pbh(s[i][1], s[i][0]));
			continue;
		}
		float *y = (float *)c + i * ldc;
		if (store == ADD) {
			s[i][0] = _mm512_add_ps(s[i][0], _mm512_maskz_loadu_ps(m, y));
			s[i][1] = _mm512_add_ps(s[i][1], _mm512_maskz_loadu_ps(m >> 16, y + 16));
		}
		_mm512_mask_storeu_ps(y, m, s[i][0]);
		_mm512_mask_storeu_ps(y + 16, m >> 16, s[i][1]);
	}
}

TARGET static void tile12(int pairs, const uint32_t *a, int64_t row, int64_t pair, const uint32_t *b,
			  void *c, int64_t ldc, int cols, int store)
{
	tile(12, pairs, a, row, pair, b, c, ldc, cols, store);
}

TARGET static void tile_rest(int rows, int pairs, const uint32_t *a, int64_t row, int64_t pair, const uint32_t *b,
			     void *c, int64_t ldc, int cols, int store)
{
#define CASE(n) case n: tile(n, pairs, a, row, pair, b, c, ldc, cols, store); break;
	switch (rows) {
	CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11)
	}
#undef CASE
}

TARGET static void tiles(int rows, int pairs, const uint32_t *a, int64_t row, int64_t pair, const uint32_t *b,
			 void *c, int64_t ldc, int cols, int store)
{
	if (rows >= ROWS)
		tile12(pairs, a, row, pair, b, c, ldc, cols, store);
	else
		tile_rest(rows, pairs, a, row, pair, b, c, ldc, cols, store);
}

// Asks for what the next tiles read of A: one of the given parts of its rows.
// Rows of a paired A follow one another, which the processor sees by itself.
INLINE void fetch_strip(const uint32_t *a, int64_t row, int64_t pair, int pairs, int part, int parts)
{
	if (pair != 1)
		return;
	for (int r = part * ROWS / parts; r < (part + 1) * ROWS / parts; r++)
		fetch(a + r * row, 4 * pairs);
}

// C[m,n] = A·B for one packed B, of whose rows the first k are used. Strides of
// A are in pairs: from strip to strip of 12 rows (per row), from row to row and
// from pair to pair. The smaller operand is walked in the inner loop and stays
// in cache.
//
// Products of attention leave out what no query sees. Query r of a block sees
// the keys up to first+r; first counts from the product's first key. The part
// that is left out is not written where queries are rows of C (CAUSAL_COLUMNS),
// and not summed where they are rows of A (CAUSAL_DEPTH) or of B (CAUSAL_ROWS),
// whose keys are summed, or C's columns.
TARGET void bf16_gemm(int m, int n, int k, const uint16_t *a, int64_t strip, int64_t row, int64_t pair,
		      const uint16_t *b, int64_t depth, void *c, int64_t ldc, int store, int causal, int first_key)
{
	const uint32_t *a32 = (const uint32_t *)a, *b32 = (const uint32_t *)b;
	int64_t panel = (depth + 1) / 2, size = store == ROUND ? 2 : 4;
	int by_columns = m < n;
	int outer = by_columns ? n : m, inner = by_columns ? m : n;
	int parts = by_columns ? 1 : (n + COLS - 1) / COLS;
	for (int x = 0; x < outer; x += by_columns ? COLS : ROWS)
		for (int y = 0; y < inner; y += by_columns ? ROWS : COLS) {
			int i = by_columns ? y : x, j = by_columns ? x : y;
			int from = 0, pairs = (k + 1) / 2, seen = first_key + i + ROWS;
			if (causal == CAUSAL_COLUMNS && j >= seen)
				continue;
			if (causal == CAUSAL_DEPTH && seen < k)
				pairs = seen > 0 ? (seen + 1) / 2 : 0;
			if (causal == CAUSAL_ROWS && j > first_key)
				from = (j - first_key) / 2;
			if (from > pairs)
				from = pairs;
			if (i + ROWS < m && (!by_columns || x == 0))
				fetch_strip(a32 + (i + ROWS) * strip, row, pair, pairs, by_columns ? 0 : y / COLS, parts);
			tiles(m - i, pairs - from, a32 + i * strip + from * pair, row, pair,
			      b32 + j * panel + (int64_t)from * COLS, (char *)c + (i * ldc + j) * size, ldc, n - j, store);
		}
}
