//go:build cgo && linux

#define _GNU_SOURCE
#include "nccl.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef struct { char bytes[NCCL_ID]; } unique_id; // passed by value

enum { FLOAT32 = 7, SUM = 0 };

static struct {
	int (*version)(int *);
	const char *(*error_string)(int);
	int (*get_id)(unique_id *);
	int (*init_rank)(void **, int, unique_id, int);
	int (*all_reduce)(const void *, void *, size_t, int, int, void *, void *);
	int (*async_error)(void *, int *);
	int (*abort)(void *);
	int (*destroy)(void *);
} lib;

int nccl_open(const char *path, char *message, size_t n)
{
	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) {
		snprintf(message, n, "%s", dlerror());
		return 0;
	}
#define SYM(field, name)                                                            \
	if (!(*(void **)&lib.field = dlsym(h, name))) {                             \
		snprintf(message, n, "%s: symbol %s is missing", path, name);       \
		return 0;                                                           \
	}
	SYM(version, "ncclGetVersion")
	SYM(error_string, "ncclGetErrorString")
	SYM(get_id, "ncclGetUniqueId")
	SYM(init_rank, "ncclCommInitRank")
	SYM(all_reduce, "ncclAllReduce")
	SYM(async_error, "ncclCommGetAsyncError")
	SYM(abort, "ncclCommAbort")
	SYM(destroy, "ncclCommDestroy")
#undef SYM
	return 1;
}

int nccl_version(int *version) { return lib.version(version); }
const char *nccl_error(int code) { return lib.error_string(code); }
int nccl_id(void *id) { return lib.get_id(id); }

int nccl_init(void **comm, int size, const void *id, int rank)
{
	unique_id copy;
	memcpy(&copy, id, sizeof copy);
	return lib.init_rank(comm, size, copy, rank);
}

int nccl_all_reduce(void *comm, uintptr_t x, size_t n, void *stream)
{
	return lib.all_reduce((void *)x, (void *)x, n, FLOAT32, SUM, comm, stream);
}

int nccl_async_error(void *comm, int *code) { return lib.async_error(comm, code); }
int nccl_abort(void *comm) { return lib.abort(comm); }
int nccl_destroy(void *comm) { return lib.destroy(comm); }
