// The part of oneDNN's C interface that a matrix product needs, for versions 2
// and 3 of the library, which differ in how descriptors are made.
#include <stdint.h>
#include <stddef.h>

typedef struct {
	int m, n, k;
	int ta, tb, acc;
	int at, bt, ct;
	int64_t lda, ldb, ldc;
} gemm_desc;

typedef struct gemm gemm;

// Opens a library; returns its major version, or 0 with a message in err.
int onednn_open(const char *path, char *err, size_t n);
void onednn_version(int *major, int *minor, int *patch);
// Makes oneDNN run on the calling thread only.
void onednn_single_thread(void);
// Builds a product; NULL with the library's status in *status.
gemm *gemm_create(const gemm_desc *d, int *status);
size_t gemm_scratch(const gemm *g);
const char *gemm_impl(const gemm *g);
int gemm_run(gemm *g, int worker, void *a, void *b, void *c, void *scratch);
