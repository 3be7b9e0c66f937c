#include <stdint.h>

enum { CAUSAL_NONE, CAUSAL_COLUMNS, CAUSAL_DEPTH, CAUSAL_ROWS };

int f32_available(void);
void f32_pack(float *dst, const float *b, int64_t ldb, int k, int n);
void f32_pack_transposed(float *dst, const float *b, int64_t ldb, int k, int n);
void f32_strip(float *dst, const float *a, int64_t lda, int k, int m);
void f32_gemm(int m, int n, int k, const float *a, int64_t strip, int64_t row, int64_t step,
	      const float *b, float *c, int64_t ldc, int add, int causal, int first_key);
