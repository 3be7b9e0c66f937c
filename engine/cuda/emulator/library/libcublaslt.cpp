// cublasLt on the emulator: what package driver calls of it, against NVIDIA's header. Its
// algorithm wants workspace, in which it leaves rubbish, and holds the caller to the
// alignment that was promised when it was chosen.
#include <cublasLt.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "../machine.h"
#include "library.h"

using library::wrong;

namespace {

struct Layout {
	cudaDataType type;
	uint64_t rows, cols;
	int64_t ld;

	uint64_t bytes() const { return ((cols - 1) * ld + rows) * (type == CUDA_R_16BF ? 2 : 4); }
};

struct Description {
	cublasComputeType_t compute;
	cudaDataType scale;
	cublasOperation_t a, b;
};

struct Preference {
	uint64_t workspace;
	uint32_t align[4]; // of A, B, C and D
};

// Algorithm is what the opaque one holds.
struct Algorithm {
	const void* description;
	uint64_t workspace;
	uint32_t align[4];
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t), "an algorithm must fit the opaque one");

const uint64_t WORKSPACE = 300000;

template <typename To, typename From> To* as(From* p) { return reinterpret_cast<To*>(p); }

bool supported(const Description& d, const Layout& a, const Layout& b, const Layout& c) {
	bool ta = d.a == CUBLAS_OP_T, tb = d.b == CUBLAS_OP_T;
	bool shapes = (ta ? a.cols : a.rows) == c.rows && (tb ? b.rows : b.cols) == c.cols && (ta ? a.rows : a.cols) == (tb ? b.cols : b.rows);
	bool half = a.type == CUDA_R_16BF && (c.type == CUDA_R_16BF || c.type == CUDA_R_32F) && d.compute == CUBLAS_COMPUTE_32F;
	bool single = a.type == CUDA_R_32F && c.type == CUDA_R_32F && (d.compute == CUBLAS_COMPUTE_32F || d.compute == CUBLAS_COMPUTE_32F_FAST_TF32);
	return shapes && a.type == b.type && d.scale == CUDA_R_32F && (half || single);
}

} // namespace

#define WANT(condition) \
	if (!(condition)) return CUBLAS_STATUS_INVALID_VALUE

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* h) {
	if (!library::has_context()) return CUBLAS_STATUS_NOT_INITIALIZED;
	*h = as<cublasLtContext>(new int);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) {
	delete as<int>(h);
	return CUBLAS_STATUS_SUCCESS;
}

size_t cublasLtGetVersion(void) { return CUBLAS_VERSION; }

const char* cublasLtGetStatusString(cublasStatus_t s) {
	static char text[32];
	snprintf(text, sizeof text, "status %d", (int)s);
	return text;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t compute, cudaDataType_t scale) {
	*d = as<cublasLtMatmulDescOpaque_t>(new Description{compute, scale, CUBLAS_OP_N, CUBLAS_OP_N});
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
	delete as<Description>(d);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, const void* x, size_t bytes) {
	WANT(bytes == sizeof(cublasOperation_t) && (a == CUBLASLT_MATMUL_DESC_TRANSA || a == CUBLASLT_MATMUL_DESC_TRANSB));
	memcpy(a == CUBLASLT_MATMUL_DESC_TRANSA ? &as<Description>(d)->a : &as<Description>(d)->b, x, bytes);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType t, uint64_t rows, uint64_t cols, int64_t ld) {
	WANT(rows > 0 && cols > 0 && ld >= (int64_t)rows);
	*l = as<cublasLtMatrixLayoutOpaque_t>(new Layout{t, rows, cols, ld});
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
	delete as<Layout>(l);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
	*p = as<cublasLtMatmulPreferenceOpaque_t>(new Preference{0, {256, 256, 256, 256}});
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
	delete as<Preference>(p);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t a, const void* x,
	size_t bytes) {
	Preference& p = *as<Preference>(preference);
	const auto first = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, last = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES;
	if (a == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
		WANT(bytes == sizeof p.workspace);
		memcpy(&p.workspace, x, bytes);
		return CUBLAS_STATUS_SUCCESS;
	}
	WANT(bytes == sizeof(uint32_t) && (a == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK || (a >= first && a <= last)));
	if (a >= first) memcpy(&p.align[a - first], x, bytes);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
	cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t p, int most, cublasLtMatmulHeuristicResult_t results[], int* n) {
	WANT(library::has_context() && most > 0);
	*n = 0;
	if (!supported(*as<Description>(d), *as<Layout>(a), *as<Layout>(b), *as<Layout>(c))) return CUBLAS_STATUS_NOT_SUPPORTED;
	Algorithm chosen{d, std::min(as<Preference>(p)->workspace, WORKSPACE), {}};
	memcpy(chosen.align, as<Preference>(p)->align, sizeof chosen.align);
	memcpy(&results[0].algo, &chosen, sizeof chosen);
	results[0].workspaceSize = chosen.workspace;
	results[0].state = CUBLAS_STATUS_SUCCESS;
	*n = 1;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void* alpha, const void* A, cublasLtMatrixLayout_t layout_a,
	const void* B, cublasLtMatrixLayout_t layout_b, const void* beta, const void* C, cublasLtMatrixLayout_t layout_c, void* D,
	cublasLtMatrixLayout_t layout_d, const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t bytes, cudaStream_t cuda_stream) {
	CUstream stream = cuda_stream;
	WANT(library::has_context() && library::is_stream(stream) && C == D && layout_c == layout_d);
	Algorithm chosen;
	memcpy(&chosen, algorithm, sizeof chosen);
	WANT(chosen.description == description && bytes >= chosen.workspace);
	const Description d = *as<Description>(description);
	const Layout a = *as<Layout>(layout_a), b = *as<Layout>(layout_b), c = *as<Layout>(layout_c);
	auto at = [](const void* p) { return reinterpret_cast<uintptr_t>(p); };
	if (at(A) % chosen.align[0] || at(B) % chosen.align[1] || at(C) % chosen.align[2] || at(D) % chosen.align[3])
		wrong("cublasLt: a product at %p, %p and %p, not as aligned as promised", A, B, C);
	if (at(workspace) % 256 || !library::held(at(workspace), bytes)) wrong("cublasLt: workspace of %zu bytes at %p", bytes, workspace);
	if (!library::held(at(A), a.bytes()) || !library::held(at(B), b.bytes()) || !library::held(at(C), c.bytes()))
		wrong("cublasLt: a product beyond the memory that is held");
	// C = op(A)·op(B) by columns is Cᵀ = op(B)ᵀ·op(A)ᵀ by rows.
	bool ta = d.a == CUBLAS_OP_T, tb = d.b == CUBLAS_OP_T;
	emulator::Product p{c.cols, c.rows, ta ? a.rows : a.cols, tb, ta, at(B), at(A), at(C), (uint64_t)b.ld, (uint64_t)a.ld, (uint64_t)c.ld,
		b.type == CUDA_R_16BF, a.type == CUDA_R_16BF, c.type == CUDA_R_16BF, *static_cast<const float*>(alpha), *static_cast<const float*>(beta)};
	library::enqueue(stream, [=] {
		memset(workspace, 0xff, bytes);
		emulator::multiply(p);
		memset(workspace, 0xff, bytes);
	});
	return CUBLAS_STATUS_SUCCESS;
}

} // extern "C"
