//go:build cgo && linux

#define _GNU_SOURCE
#include "mpi.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

// A handle is the address of a symbol in Open MPI and a number in MPICH: an int, which is
// passed in the same register.
typedef uintptr_t handle;

enum { THREAD_SERIALIZED = 2, LONGEST = 8192 };

static struct {
	int (*init)(int *, char ***, int, int *);
	int (*rank)(handle, int *);
	int (*size)(handle, int *);
	int (*set_errhandler)(handle, handle);
	int (*alltoallv)(const void *, const int *, const int *, handle, void *, const int *, const int *, handle, handle);
	int (*allgatherv)(const void *, int, handle, void *, const int *, const int *, handle, handle);
	int (*bcast)(void *, int, handle, int, handle);
	int (*barrier)(handle);
	int (*finalize)(void);
	int (*error_string)(int, char *, int *);
	int (*library_version)(char *, int *);
	handle world, byte, errors_return;
} lib;

int mpi_open(const char *path, char *message, size_t n)
{
	void *h = dlopen(path, RTLD_NOW | RTLD_GLOBAL); // its plugins want its symbols
	if (!h) {
		snprintf(message, n, "%s", dlerror());
		return 0;
	}
#define SYM(field, name)                                                            \
	if (!(*(void **)&lib.field = dlsym(h, name))) {                             \
		snprintf(message, n, "%s: symbol %s is missing", path, name);       \
		return 0;                                                           \
	}
	SYM(init, "MPI_Init_thread")
	SYM(rank, "MPI_Comm_rank")
	SYM(size, "MPI_Comm_size")
	SYM(set_errhandler, "MPI_Comm_set_errhandler")
	SYM(alltoallv, "MPI_Alltoallv")
	SYM(allgatherv, "MPI_Allgatherv")
	SYM(bcast, "MPI_Bcast")
	SYM(barrier, "MPI_Barrier")
	SYM(finalize, "MPI_Finalize")
	SYM(error_string, "MPI_Error_string")
	SYM(library_version, "MPI_Get_library_version")
	lib.world = (handle)dlsym(h, "ompi_mpi_comm_world");
	if (lib.world) {
		SYM(byte, "ompi_mpi_byte")
		SYM(errors_return, "ompi_mpi_errors_return")
	} else { // the numbers of MPICH's ABI
		lib.world = 0x44000000;
		lib.byte = 0x4c00010d;
		lib.errors_return = 0x54000001;
	}
#undef SYM
	return 1;
}

int mpi_init(int *rank, int *size, int *threads)
{
	int code = lib.init(0, 0, THREAD_SERIALIZED, threads);
	if (!code)
		code = lib.set_errhandler(lib.world, lib.errors_return);
	if (!code)
		code = lib.rank(lib.world, rank);
	return code ? code : lib.size(lib.world, size);
}

const char *mpi_version(void)
{
	static char text[LONGEST + 1];
	int n = 0;
	lib.library_version(text, &n);
	text[strcspn(text, "\n,")] = 0;
	return text;
}

void mpi_error(int code, char *text, size_t n)
{
	char all[LONGEST + 1] = "";
	int length = 0;
	lib.error_string(code, all, &length);
	snprintf(text, n, "%s", all);
}

int mpi_alltoall(const void *send, const int *counts, const int *at, void *recv, const int *got, const int *where)
{
	return lib.alltoallv(send, counts, at, lib.byte, recv, got, where, lib.byte, lib.world);
}

int mpi_allgather(const void *send, int count, void *recv, const int *counts, const int *at)
{
	return lib.allgatherv(send, count, lib.byte, recv, counts, at, lib.byte, lib.world);
}

int mpi_bcast(void *x, int count, int root) { return lib.bcast(x, count, lib.byte, root, lib.world); }
int mpi_barrier(void) { return lib.barrier(lib.world); }
int mpi_finalize(void) { return lib.finalize(); }

static inline float widen(uint16_t x)
{
	uint32_t bits = (uint32_t)x << 16;
	float f;
	memcpy(&f, &bits, sizeof f);
	return f;
}

// sum[i] is that of x[rank][i] in the order of the ranks.
void sum_ranks(float *restrict sum, const float *restrict x, int ranks, int64_t n)
{
	memcpy(sum, x, n * sizeof *sum);
	for (int r = 1; r < ranks; r++)
		for (int64_t i = 0; i < n; i++)
			sum[i] += x[r * n + i];
}

void sum_ranks_bf16(float *restrict sum, const uint16_t *restrict x, int ranks, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		sum[i] = widen(x[i]);
	for (int r = 1; r < ranks; r++)
		for (int64_t i = 0; i < n; i++)
			sum[i] += widen(x[r * n + i]);
}

// Round to nearest, ties to even; a NaN stays one.
void round_bf16(uint16_t *restrict dst, const float *restrict x, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, x + i, sizeof bits);
		uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
		dst[i] = (bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded;
	}
}

void widen_bf16(float *restrict dst, const uint16_t *restrict x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		dst[i] = widen(x[i]);
}
