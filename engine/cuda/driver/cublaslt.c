//go:build gpu

// Products by cublasLt, opened with dlopen. The types and constants are the header's; the
// functions used are the same in CUDA 12 and 13.

#include <cublasLt.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "cublaslt.h"

static void *lib;
static cublasLtHandle_t handle;

#define FUNCTIONS(F)                \
	F(cublasLtCreate)               \
	F(cublasLtDestroy)              \
	F(cublasLtGetVersion)           \
	F(cublasLtGetStatusString)      \
	F(cublasLtMatmulDescCreate)     \
	F(cublasLtMatmulDescDestroy)    \
	F(cublasLtMatmulDescSetAttribute) \
	F(cublasLtMatrixLayoutCreate)   \
	F(cublasLtMatrixLayoutDestroy)  \
	F(cublasLtMatmulPreferenceCreate) \
	F(cublasLtMatmulPreferenceDestroy) \
	F(cublasLtMatmulPreferenceSetAttribute) \
	F(cublasLtMatmulAlgoGetHeuristic) \
	F(cublasLtMatmul)

#define DECLARE(f) static __typeof__(&f) p_##f;
FUNCTIONS(DECLARE)

const char *lt_open(const char *path) {
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL) return dlerror();
#define FIND(f)                                                  \
	p_##f = (__typeof__(&f))dlsym(lib, #f);                      \
	if (p_##f == NULL) return "the library has no " #f;
	FUNCTIONS(FIND)
	cublasStatus_t s = p_cublasLtCreate(&handle);
	return s == CUBLAS_STATUS_SUCCESS ? NULL : p_cublasLtGetStatusString(s);
}

// lt_close leaves the library open: its static data hold on to the driver's.
void lt_close(void) {
	if (handle != NULL) p_cublasLtDestroy(handle);
	handle = NULL;
}

size_t lt_version(void) { return p_cublasLtGetVersion(); }

const char *lt_error(int status) { return p_cublasLtGetStatusString((cublasStatus_t)status); }

struct lt_plan {
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, c;
	cublasLtMatmulAlgo_t algo;
	size_t workspace;
	float scale;
};

#define TRY(call)                                        \
	do {                                                 \
		cublasStatus_t s_ = (call);                      \
		if (s_ != CUBLAS_STATUS_SUCCESS) return s_;      \
	} while (0)

static cublasStatus_t describe(const lt_product *p, lt_plan *plan) {
	cudaDataType_t ab = p->bf16 ? CUDA_R_16BF : CUDA_R_32F;
	cudaDataType_t c = p->bf16_c ? CUDA_R_16BF : CUDA_R_32F;
	cublasComputeType_t compute = p->tf32 && !p->bf16 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
	TRY(p_cublasLtMatmulDescCreate(&plan->desc, compute, CUDA_R_32F));
	cublasOperation_t ta = p->transa ? CUBLAS_OP_T : CUBLAS_OP_N, tb = p->transb ? CUBLAS_OP_T : CUBLAS_OP_N;
	TRY(p_cublasLtMatmulDescSetAttribute(plan->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta));
	TRY(p_cublasLtMatmulDescSetAttribute(plan->desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb));
	TRY(p_cublasLtMatrixLayoutCreate(&plan->a, ab, p->transa ? p->k : p->m, p->transa ? p->m : p->k, p->lda));
	TRY(p_cublasLtMatrixLayoutCreate(&plan->b, ab, p->transb ? p->n : p->k, p->transb ? p->k : p->n, p->ldb));
	return p_cublasLtMatrixLayoutCreate(&plan->c, c, p->m, p->n, p->ldc);
}

static cublasStatus_t prefer(const lt_product *p, cublasLtMatmulPreference_t preference) {
#define PREFER(attribute, value) \
	TRY(p_cublasLtMatmulPreferenceSetAttribute(preference, attribute, &(value), sizeof(value)))
	PREFER(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, p->workspace);
	PREFER(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p->align);
	PREFER(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p->align);
	PREFER(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p->align);
	PREFER(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p->align);
	// Pieces of a sum are added in float32 and in order: not in the type of the result, and not
	// in its place by whoever comes first.
	uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
	PREFER(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes);
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t choose(const lt_product *p, lt_plan *plan) {
	cublasLtMatmulPreference_t preference;
	TRY(p_cublasLtMatmulPreferenceCreate(&preference));
	cublasLtMatmulHeuristicResult_t found[1];
	memset(found, 0, sizeof found);
	int n = 0;
	cublasStatus_t s = prefer(p, preference);
	if (s == CUBLAS_STATUS_SUCCESS) {
		s = p_cublasLtMatmulAlgoGetHeuristic(handle, plan->desc, plan->a, plan->b, plan->c, plan->c, preference, 1, found, &n);
	}
	p_cublasLtMatmulPreferenceDestroy(preference);
	if (s != CUBLAS_STATUS_SUCCESS) return s;
	if (n == 0) return CUBLAS_STATUS_NOT_SUPPORTED;
	plan->algo = found[0].algo;
	plan->workspace = found[0].workspaceSize;
	return found[0].state;
}

int lt_plan_make(const lt_product *p, lt_plan **plan, uint64_t *workspace) {
	lt_plan *made = calloc(1, sizeof *made);
	if (made == NULL) return CUBLAS_STATUS_ALLOC_FAILED;
	cublasStatus_t s = describe(p, made);
	if (s == CUBLAS_STATUS_SUCCESS) s = choose(p, made);
	if (s != CUBLAS_STATUS_SUCCESS) {
		lt_plan_free(made);
		return s;
	}
	made->scale = p->scale;
	*plan = made;
	*workspace = made->workspace;
	return CUBLAS_STATUS_SUCCESS;
}

void lt_plan_free(lt_plan *plan) {
	if (plan->desc != NULL) p_cublasLtMatmulDescDestroy(plan->desc);
	if (plan->a != NULL) p_cublasLtMatrixLayoutDestroy(plan->a);
	if (plan->b != NULL) p_cublasLtMatrixLayoutDestroy(plan->b);
	if (plan->c != NULL) p_cublasLtMatrixLayoutDestroy(plan->c);
	free(plan);
}

int lt_multiply(const lt_plan *plan, uint64_t a, uint64_t b, uint64_t c, uint64_t workspace, int accumulate, void *stream) {
	float alpha = plan->scale, beta = accumulate ? 1 : 0;
	return p_cublasLtMatmul(handle, plan->desc, &alpha, (const void *)(uintptr_t)a, plan->a, (const void *)(uintptr_t)b, plan->b,
		&beta, (const void *)(uintptr_t)c, plan->c, (void *)(uintptr_t)c, plan->c, &plan->algo,
		(void *)(uintptr_t)workspace, plan->workspace, (cudaStream_t)stream);
}
