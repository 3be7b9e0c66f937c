#include <stdint.h>

enum { CAUSAL_NONE, CAUSAL_COLUMNS, CAUSAL_DEPTH, CAUSAL_ROWS };

int bf16_available(void);
void bf16_pack(uint16_t *dst, const uint16_t *b, int64_t ldb, int k, int n);
void bf16_pack_transposed(uint16_t *dst, const uint16_t *b, int64_t ldb, int k, int n);
void bf16_round_pack(uint16_t *dst, const float *b, int64_t ldb, int k, int n);
void bf16_round_pack_transposed(uint16_t *dst, const float *b, int64_t ldb, int k, int n);
void bf16_pair(uint16_t *dst, const uint16_t *a, int64_t lda, int k, int m);
void bf16_round_pair(uint16_t *dst, const float *a, int64_t lda, int k, int m);
void bf16_gemm(int m, int n, int k, const uint16_t *a, int64_t strip, int64_t row, int64_t pair,
	       const uint16_t *b, int64_t depth, void *c, int64_t ldc, int store, int causal, int first_key);

void bf16_swiglu(uint16_t *h, const uint16_t *x, int rows, int f);
void bf16_swiglu_grad(uint16_t *dx, const uint16_t *x, const uint16_t *dh, int rows, int f);
void bf16_exp_rows(uint16_t *e, int64_t lde, const float *s, int64_t lds, int rows, int n, float *top, float *sum);
void bf16_scale_pieces(uint16_t *x, const float *a, int width, int n);

void bf16_rotate(uint16_t *dst, int64_t ldd, const uint16_t *x, int64_t ldx, const float *cos, const float *sin, int rows, int half);
void bf16_round_rotate(uint16_t *dst, int64_t ldd, const float *x, int64_t ldx, const float *cos, const float *sin, int rows, int half);
void bf16_softmax(float *s, int64_t stride, int rows, int width, int first_key, const int32_t *from, int skip, float a,
		  float *top, float *sum);
void bf16_divide_rows(uint16_t *dst, int64_t ldd, const float *o, const float *sum, int rows, int dim);
void bf16_row_dots(float *delta, const uint16_t *dout, const uint16_t *out, int64_t ld, int rows, int dim);
void bf16_softmax_grad(uint16_t *p, uint16_t *ds, const float *s, float *dp, int64_t stride, int rows, int width,
		       int first_key, const int32_t *from, int skip, float a, const float *lse, int64_t ldl, const float *delta);
void bf16_gather(uint16_t *dst, int64_t ldd, const float *sums, int64_t ld, int64_t head, int heads, int n, int dim);
void bf16_gather_rotate(uint16_t *dst, int64_t ldd, const float *sums, int64_t ld, int64_t head, int heads, int n, int half,
			const float *cos, const float *sin);
