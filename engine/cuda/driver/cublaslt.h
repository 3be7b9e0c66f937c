#ifndef MOBILELLM_CUBLASLT_H
#define MOBILELLM_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

// Results are cublasLt's: 0 for success.

// lt_open opens the library and makes its handle. It returns NULL, or what went wrong.
const char *lt_open(const char *path);
void lt_close(void);
size_t lt_version(void);
const char *lt_error(int status);

// A product of column-major matrices, C[m,n] = scale·op(A)·op(B), with sums in float32.
typedef struct {
	int bf16;     // A and B; else float32
	int bf16_c;   // C; else float32
	int transa, transb;
	uint64_t m, n, k;
	int64_t lda, ldb, ldc;
	uint32_t align;     // of all addresses, in bytes
	uint64_t workspace; // at most so many bytes
	int tf32;           // float32 products round their factors
	float scale;        // of the product
} lt_product;

typedef struct lt_plan lt_plan;

// lt_plan_make takes the first algorithm that the library's heuristic finds.
int lt_plan_make(const lt_product *p, lt_plan **plan, uint64_t *workspace);
void lt_plan_free(lt_plan *plan);
int lt_multiply(const lt_plan *plan, uint64_t a, uint64_t b, uint64_t c, uint64_t workspace, int accumulate, void *stream);

#endif
