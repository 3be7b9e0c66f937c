//go:build cgo && amd64

#include "kernel.h"
#include "vector.h"
#include <math.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

int panel_vnni(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512vnni");
}

// 16 integers in 8 bits, those beyond the ends as the ends.
INLINE __m128i narrowed(__m512i q) { return _mm512_cvtsepi32_epi8(q); }

// 64 integers of a row, of which n are numbers x times f and the others 0; their sum is
// added to sum.
INLINE __m512i quantized(const float *x, int n, __m512 f, __m512i *sum)
{
	__m128i part[4];
	for (int i = 0; i < 4; i++) {
		__m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(first(n - 16 * i), x + 16 * i), f));
		*sum = _mm512_add_epi32(*sum, q);
		part[i] = narrowed(q);
	}
	__m512i all = _mm512_castsi128_si512(part[0]);
	all = _mm512_inserti32x4(all, part[1], 1);
	all = _mm512_inserti32x4(all, part[2], 2);
	return _mm512_inserti32x4(all, part[3], 3);
}

TARGET void panel_pack_int8(void *dst, const float *w, int rows, int k)
{
	int groups = (k + 3) / 4;
	float *scales = (float *)((char *)dst + (int64_t)groups * 4 * COLS);
	int32_t *sums = (int32_t *)(scales + COLS);
	float factors[COLS];
	__m512i sum[COLS];
	for (int r = 0; r < COLS; r++) {
		__m512 size = _mm512_setzero_ps();
		for (int i = 0; r < rows && i < k; i += 16)
			size = _mm512_max_ps(size, _mm512_abs_ps(_mm512_maskz_loadu_ps(first(k - i), w + (int64_t)r * k + i)));
		factors[r] = 127 / (_mm512_reduce_max_ps(size) + 1e-6f);
		scales[r] = r < rows ? 1 / (factors[r] + 1e-6f) : 0;
		sum[r] = _mm512_setzero_si512();
	}
	for (int i = 0; i < k; i += 64)
		for (int half = 0; half < 2; half++) {
			__m512 x[16];
			for (int r = 0; r < 16; r++) {
				int row = 16 * half + r;
				x[r] = row < rows ? _mm512_castsi512_ps(quantized(w + (int64_t)row * k + i, k - i, _mm512_set1_ps(factors[row]), &sum[row])) : _mm512_setzero_ps();
			}
			transpose(x);
			for (int j = 0; j < 16 && i / 4 + j < groups; j++)
				_mm512_storeu_ps((char *)dst + (int64_t)(i / 4 + j) * 4 * COLS + 64 * half, x[j]);
		}
	for (int r = 0; r < COLS; r++)
		sums[r] = _mm512_reduce_add_epi32(sum[r]);
}

TARGET void panel_quantize(int rows, int k, const float *x, int64_t ldx, void *q, panel_row *p, int scheme)
{
	int stride = (k + 3) & ~3;
	for (int r = 0; r < rows; r++, x += ldx, q = (char *)q + stride) {
		__m512 low = _mm512_set1_ps(INFINITY), high = _mm512_set1_ps(-INFINITY);
		__mmask16 bad = 0;
		for (int i = 0; i < k; i += 16) {
			__mmask16 m = first(k - i);
			__m512 v = _mm512_maskz_loadu_ps(m, x + i);
			bad |= _mm512_cmp_ps_mask(_mm512_abs_ps(v), _mm512_set1_ps(INFINITY), _CMP_NLT_UQ);
			low = _mm512_mask_min_ps(low, m, low, v);
			high = _mm512_mask_max_ps(high, m, high, v);
		}
		if (bad) {
			p[r] = (panel_row){NAN, 0, 0};
			for (int i = 0; i < stride; i++)
				((char *)q)[i] = 0;
			continue;
		}
		float least = _mm512_reduce_min_ps(low), most = _mm512_reduce_max_ps(high), factor;
		float size = most > -least ? most : -least;
		switch (scheme) {
		case PANEL_ASYMMETRIC:
			size = most - least + 1e-8f;
			p[r] = (panel_row){size / 255, least, 0};
			factor = 255 / size;
			break;
		case PANEL_COMPRESSED:
			size /= 127.5f;
			p[r] = (panel_row){size > 0 ? size : 0x1p-23f, 0, 128};
			break;
		default:
			factor = 127 / (size + 1e-6f);
			p[r] = (panel_row){1 / (factor + 1e-6f), 0, 128};
		}
		__m512 offset = _mm512_set1_ps(p[r].offset), f = _mm512_set1_ps(scheme == PANEL_COMPRESSED ? p[r].scale : factor);
		__m512i zero = _mm512_set1_epi32(p[r].zero);
		for (int i = 0; i < stride; i += 16) {
			__m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(first(k - i), x + i), offset);
			v = scheme == PANEL_COMPRESSED ? _mm512_div_ps(v, f) : _mm512_mul_ps(v, f);
			__m512i all = _mm512_max_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(v), zero), _mm512_setzero_si512());
			_mm_mask_storeu_epi8((char *)q + i, first(stride - i), _mm512_maskz_cvtusepi32_epi8(first(k - i), all));
		}
	}
}

// Adds products of four bytes q with four integers w of each lane.
INLINE __m512i dot(__m512i sum, __m512i q, __m512i w)
{
	const __m512i low = _mm512_set1_epi16(0xff);
	__m512i even = _mm512_madd_epi16(_mm512_and_si512(q, low), _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8));
	__m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(q, 8), _mm512_srai_epi16(w, 8));
	return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
}

// The same in one instruction. As assembly, for GCC 12 copies each sum before and after
// the intrinsic.
static inline __attribute__((always_inline)) VNNI __m512i dot_vnni(__m512i sum, __m512i q, __m512i w)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(q), "v"(w));
	return sum;
}

// Memory is asked for so many bytes ahead of what is multiplied.
enum { AHEAD = 4096, MOST = 12 };

// rows ≤ 12 rows of q with one panel.
#define TILE8(name, target, DOT)                                                                                                     \
	static inline __attribute__((always_inline)) target void name(const int rows, int groups, const char *q, const panel_row *p, \
								      const char *w, float *y, int64_t ldy, int cols, int add)       \
	{                                                                                                                            \
		__m512i s[MOST][2];                                                                                                  \
		int64_t stride = (int64_t)groups * 4;                                                                                \
		_Pragma("GCC unroll 12") for (int r = 0; r < rows; r++)                                                                                       \
			s[r][0] = s[r][1] = _mm512_setzero_si512();                                                                  \
		for (int i = 0; i < groups; i++, w += 128, q += 4) {                                                                 \
			_mm_prefetch(w + AHEAD, _MM_HINT_T0);                                                                        \
			_mm_prefetch(w + AHEAD + 64, _MM_HINT_T0);                                                                   \
			__m512i u = _mm512_loadu_si512(w), v = _mm512_loadu_si512(w + 64);                                           \
			_Pragma("GCC unroll 12") for (int r = 0; r < rows; r++) {                                                                             \
				__m512i a = _mm512_set1_epi32(*(const int32_t *)(q + r * stride));                                   \
				s[r][0] = DOT(s[r][0], a, u);                                                                        \
				s[r][1] = DOT(s[r][1], a, v);                                                                        \
			}                                                                                                            \
		}                                                                                                                    \
		_Pragma("GCC unroll 12") for (int r = 0; r < rows; r++, y += ldy)                                                                             \
			_Pragma("GCC unroll 2") for (int h = 0; h < 2; h++)                                                                                  \
				result(s[r][h], p + r, w + 64 * h, y + 16 * h, first(cols - 16 * h), add);                           \
	}

// Makes y of sums; ends has 16 scales of a panel, and 128 bytes on their sums.
INLINE void result(__m512i s, const panel_row *p, const char *ends, float *y, __mmask16 m, int add)
{
	__m512i sums = _mm512_loadu_si512(ends + 4 * COLS);
	s = _mm512_sub_epi32(s, _mm512_mullo_epi32(_mm512_set1_epi32(p->zero), sums));
	__m512 v = _mm512_mul_ps(_mm512_set1_ps(p->scale), _mm512_cvtepi32_ps(s)), scales = _mm512_loadu_ps(ends);
	v = _mm512_fmadd_ps(_mm512_set1_ps(p->offset), _mm512_cvtepi32_ps(sums), v);
	v = add ? _mm512_fmadd_ps(scales, v, _mm512_maskz_loadu_ps(m, y)) : _mm512_mul_ps(scales, v);
	_mm512_mask_storeu_ps(y, m, v);
}

TILE8(tile_vnni, VNNI, dot_vnni)
TILE8(tile_bw, TARGET, dot)

#define ROWS8(name, n) case n: name(n, groups, q, p, w, y, ldy, cols, add); break;
#define TILES8(name, target, tile)                                                                                                    \
	static target void name(int rows, int groups, const char *q, const panel_row *p, const char *w, float *y, int64_t ldy, int cols, int add) \
	{                                                                                                                             \
		switch (rows) {                                                                                                       \
		ROWS8(tile, 1) ROWS8(tile, 2) ROWS8(tile, 3) ROWS8(tile, 4) ROWS8(tile, 5) ROWS8(tile, 6)                             \
		ROWS8(tile, 7) ROWS8(tile, 8) ROWS8(tile, 9) ROWS8(tile, 10) ROWS8(tile, 11) ROWS8(tile, 12)                          \
		}                                                                                                                     \
	}
TILES8(tiles_vnni, VNNI, tile_vnni)
TILES8(tiles_bw, TARGET, tile_bw)

void panel_product_int8(int vnni, int m, int n, int k, const void *q, const panel_row *rows, const void *w, float *y, int64_t ldy, int add)
{
	int groups = (k + 3) / 4;
	int64_t panel = (int64_t)groups * 4 * COLS + 8 * COLS;
	int strips = (m + MOST - 1) / MOST;
	for (int j = 0; j < n; j += COLS, w = (const char *)w + panel)
		for (int i = 0, row = 0; i < strips; i++) {
			int some = (m - row) / (strips - i);
			(vnni ? tiles_vnni : tiles_bw)(some, groups, (const char *)q + (int64_t)row * groups * 4, rows + row, w, y + row * ldy + j, ldy, n - j, add);
			row += some;
		}
}
