#include <stdint.h>

int bf16_available(void);
void bf16_pack(uint16_t *dst, const uint16_t *b, int64_t ldb, int k, int n);
void bf16_pack_transposed(uint16_t *dst, const uint16_t *b, int64_t ldb, int k, int n);
void bf16_round_pack(uint16_t *dst, const float *b, int64_t ldb, int k, int n);
void bf16_round_pack_transposed(uint16_t *dst, const float *b, int64_t ldb, int k, int n);
void bf16_pair(uint16_t *dst, const uint16_t *a, int64_t lda, int k, int m);
void bf16_round_pair(uint16_t *dst, const float *a, int64_t lda, int k, int m);
void bf16_gemm(int m, int n, int k, const uint16_t *a, int64_t strip, int64_t row, int64_t pair,
	       const uint16_t *b, int64_t depth, void *c, int64_t ldc, int store);
