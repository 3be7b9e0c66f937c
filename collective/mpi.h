#include <stddef.h>
#include <stdint.h>

// Each returns MPI's error, 0 for none.
int mpi_open(const char *path, char *message, size_t n); // 1 where the library is there
int mpi_init(int *rank, int *size, int *threads);
const char *mpi_version(void);
void mpi_error(int code, char *text, size_t n);
int mpi_alltoall(const void *send, const int *counts, const int *at, void *recv, const int *got, const int *where);
int mpi_allgather(const void *send, int count, void *recv, const int *counts, const int *at);
int mpi_bcast(void *x, int count, int root);
int mpi_barrier(void);
int mpi_finalize(void);

void sum_ranks(float *sum, const float *x, int ranks, int64_t n);
void sum_ranks_bf16(float *sum, const uint16_t *x, int ranks, int64_t n);
void round_bf16(uint16_t *dst, const float *x, int64_t n);
void widen_bf16(float *dst, const uint16_t *x, int64_t n);
