//go:build cgo && amd64

#include "kernel.h"
#include "vector.h"

enum { ROWS = 12, BLOCK = 64, GROUP = 16 };

int panel_available(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

// bf16 in the upper half of each lane, rounded to nearest even; a NaN stays one.
INLINE __m512i rounded(__m512 x)
{
	__m512i b = _mm512_castps_si512(x);
	__m512i odd = _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(1));
	__m512i r = _mm512_add_epi32(b, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
	__mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
	return _mm512_mask_or_epi32(r, nan, b, _mm512_set1_epi32(0x400000));
}

// A panel of w, whose rows are k elements apart: rows of it are lanes.
TARGET void panel_pack(void *dst, const float *w, int rows, int k, int bf16)
{
	const __m512i odd = _mm512_set1_epi32(0xffff0000);
	for (int i = 0; i < k; i += 16)
		for (int half = 0; half < 2; half++) {
			__m512 x[16];
			for (int r = 0; r < 16; r++)
				x[r] = 16 * half + r < rows ? _mm512_maskz_loadu_ps(first(k - i), w + (int64_t)(16 * half + r) * k + i) : _mm512_setzero_ps();
			transpose(x);
			for (int j = 0; j < 16 && i + j < k; j += 1 + bf16) {
				if (!bf16) {
					_mm512_storeu_ps((float *)dst + (int64_t)(i + j) * COLS + 16 * half, x[j]);
					continue;
				}
				__m512i pair = _mm512_or_si512(_mm512_srli_epi32(rounded(x[j]), 16), _mm512_and_si512(rounded(x[j + 1]), odd));
				_mm512_storeu_si512((uint16_t *)dst + (int64_t)(i + j) * COLS + 32 * half, pair);
			}
		}
}

// Memory is asked for so many bytes ahead of what is multiplied.
enum { AHEAD = 4096 };

// rows ≤ 12 rows of x with one panel.
INLINE void tile(const int rows, const int bf16, int k, const float *x, int64_t ldx, const char *w, float *y, int64_t ldy, int cols, int add)
{
	__m512 s[ROWS][2];
	const __m512i odd = _mm512_set1_epi32(0xffff0000);
	for (int r = 0; r < rows; r++)
		s[r][0] = s[r][1] = _mm512_setzero_ps();
	for (int i = 0; i < k; i += 1 + bf16, w += 128) {
		_mm_prefetch(w + AHEAD, _MM_HINT_T0);
		_mm_prefetch(w + AHEAD + 64, _MM_HINT_T0);
		if (!bf16) {
			__m512 u = _mm512_loadu_ps(w), v = _mm512_loadu_ps(w + 64);
			for (int r = 0; r < rows; r++) {
				__m512 a = _mm512_set1_ps(x[r * ldx + i]);
				s[r][0] = _mm512_fmadd_ps(a, u, s[r][0]);
				s[r][1] = _mm512_fmadd_ps(a, v, s[r][1]);
			}
			continue;
		}
		__m512i u = _mm512_loadu_si512(w), v = _mm512_loadu_si512(w + 64);
		__m512 u0 = _mm512_castsi512_ps(_mm512_slli_epi32(u, 16)), u1 = _mm512_castsi512_ps(_mm512_and_si512(u, odd));
		__m512 v0 = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)), v1 = _mm512_castsi512_ps(_mm512_and_si512(v, odd));
		for (int r = 0; r < rows; r++) {
			__m512 a = _mm512_set1_ps(x[r * ldx + i]);
			s[r][0] = _mm512_fmadd_ps(a, u0, s[r][0]);
			s[r][1] = _mm512_fmadd_ps(a, v0, s[r][1]);
		}
		if (i + 1 == k)
			break;
		for (int r = 0; r < rows; r++) {
			__m512 a = _mm512_set1_ps(x[r * ldx + i + 1]);
			s[r][0] = _mm512_fmadd_ps(a, u1, s[r][0]);
			s[r][1] = _mm512_fmadd_ps(a, v1, s[r][1]);
		}
	}
	for (int r = 0; r < rows; r++, y += ldy)
		for (int h = 0; h < 2; h++) {
			__mmask16 m = first(cols - 16 * h);
			if (add)
				s[r][h] = _mm512_add_ps(s[r][h], _mm512_maskz_loadu_ps(m, y + 16 * h));
			_mm512_mask_storeu_ps(y + 16 * h, m, s[r][h]);
		}
}

#define TILE(n) case n: tile(n, bf16, k, x, ldx, w, y, ldy, cols, add); break;

INLINE void tiles(int rows, const int bf16, int k, const float *x, int64_t ldx, const char *w, float *y, int64_t ldy, int cols, int add)
{
	switch (rows) {
	TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
	}
}

TARGET void panel_product(int m, int n, int k, const float *x, int64_t ldx, const void *w, int bf16, float *y, int64_t ldy, int add)
{
	int64_t panel = bf16 ? (int64_t)(k + 1) / 2 * 2 * COLS * 2 : (int64_t)k * COLS * 4;
	int strips = (m + ROWS - 1) / ROWS;
	for (int j = 0; j < n; j += COLS, w = (const char *)w + panel)
		for (int i = 0, row = 0; i < strips; i++) {
			int rows = (m - row) / (strips - i);
			if (bf16)
				tiles(rows, 1, k, x + row * ldx, ldx, w, y + row * ldy + j, ldy, n - j, add);
			else
				tiles(rows, 0, k, x + row * ldx, ldx, w, y + row * ldy + j, ldy, n - j, add);
			row += rows;
		}
}

typedef struct {
	int g, d, n;
	const void *cache;
	int64_t block;
	const int32_t *table;
	int64_t ld;
} attention;

INLINE __m512 widen(const uint16_t *x, __mmask16 m)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, x)), 16));
}

// 16 elements of the cache from element i on.
INLINE __m512 cached(const void *c, const int bf16, int64_t i, __mmask16 m)
{
	return bf16 ? widen((const uint16_t *)c + i, m) : _mm512_maskz_loadu_ps(m, (const float *)c + i);
}

// Scores of g heads on `groups` groups of 16 keys that lie behind each other.
INLINE void score(const int g, const int groups, const int bf16, const attention *a, const void *keys, int64_t at, int left, float *s, const float *q)
{
	__m512 t[4][4];
	for (int h = 0; h < g; h++)
		for (int j = 0; j < groups; j++)
			t[h][j] = _mm512_setzero_ps();
	for (int i = 0; i < a->d; i++)
		for (int j = 0; j < groups; j++) {
			__m512 x = cached(keys, bf16, at + ((int64_t)j * a->d + i) * GROUP, 0xffff);
			for (int h = 0; h < g; h++)
				t[h][j] = _mm512_fmadd_ps(_mm512_set1_ps(q[h * a->d + i]), x, t[h][j]);
		}
	for (int h = 0; h < g; h++)
		for (int j = 0; j < groups; j++)
			_mm512_mask_storeu_ps(s + h * a->ld + 16 * j, first(left - 16 * j), t[h][j]);
}

INLINE void scores(const int g, const int bf16, const attention *a, float *s, const float *q)
{
	for (int n = 0; n < a->n; n += BLOCK) {
		int64_t at = a->table[n / BLOCK] * a->block;
		int left = a->n - n;
		if (left > 3 * GROUP) {
			score(g, 4, bf16, a, a->cache, at, left, s + n, q);
			continue;
		}
		for (int j = 0; j < left; j += GROUP, at += (int64_t)a->d * GROUP)
			score(g, 1, bf16, a, a->cache, at, left - j, s + n + j, q);
	}
}

// Sums of g heads over all positions, of 16·parts elements of a head from i on.
INLINE void total(const int g, const int parts, const int bf16, const attention *a, int i, float *y, const float *p)
{
	__m512 t[4][4];
	__mmask16 m[4];
	for (int j = 0; j < parts; j++) {
		m[j] = first(a->d - i - 16 * j);
		for (int h = 0; h < g; h++)
			t[h][j] = _mm512_setzero_ps();
	}
	for (int n = 0; n < a->n; n++) {
		int64_t at = a->table[n / BLOCK] * a->block + (int64_t)(BLOCK + n % BLOCK) * a->d + i;
		for (int j = 0; j < parts; j++) {
			__m512 x = cached(a->cache, bf16, at + 16 * j, m[j]);
			for (int h = 0; h < g; h++)
				t[h][j] = _mm512_fmadd_ps(_mm512_set1_ps(p[h * a->ld + n]), x, t[h][j]);
		}
	}
	for (int h = 0; h < g; h++)
		for (int j = 0; j < parts; j++)
			_mm512_mask_storeu_ps(y + h * a->d + i + 16 * j, m[j], t[h][j]);
}

INLINE void sums(const int g, const int bf16, const attention *a, float *y, const float *p)
{
	int i = 0;
	for (; i + 48 < a->d; i += 64)
		total(g, 4, bf16, a, i, y, p);
	for (; i < a->d; i += 16)
		total(g, 1, bf16, a, i, y, p);
}

// Heads by fours at most, so that their sums stay in registers.
#define BY_HEADS(name, f, ldy, ldx)                                                                         \
	TARGET void name(int g, int d, int n, int bf16, const void *cache, int64_t block,                   \
			 const int32_t *table, int64_t ld, float *y, const float *x)                        \
	{                                                                                                   \
		const attention a = {g, d, n, cache, block, table, ld};                                     \
		for (; g > 0; g -= 4, y += 4 * (ldy), x += 4 * (ldx))                                       \
			switch ((g > 4 ? 4 : g) * 2 + bf16) {                                               \
			case 2: f(1, 0, &a, y, x); break;                                                   \
			case 3: f(1, 1, &a, y, x); break;                                                   \
			case 4: f(2, 0, &a, y, x); break;                                                   \
			case 5: f(2, 1, &a, y, x); break;                                                   \
			case 6: f(3, 0, &a, y, x); break;                                                   \
			case 7: f(3, 1, &a, y, x); break;                                                   \
			case 8: f(4, 0, &a, y, x); break;                                                   \
			case 9: f(4, 1, &a, y, x); break;                                                   \
			}                                                                                   \
	}

BY_HEADS(panel_scores, scores, ld, d)
BY_HEADS(panel_values, sums, d, ld)
