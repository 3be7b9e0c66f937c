//go:build cgo && linux

#define _GNU_SOURCE
#include "mpi.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
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
	int (*isend)(const void *, int, handle, int, int, handle, void *);
	int (*irecv)(void *, int, handle, int, int, handle, void *);
	int (*testsome)(int, void *, int *, int *, void *);
	int (*finalize)(void);
	int (*error_string)(int, char *, int *);
	int (*library_version)(char *, int *);
	handle world, byte, errors_return;
	void *statuses_ignore;
	size_t request; // bytes of a handle of one
	char *requests;
	int room;
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
	SYM(isend, "MPI_Isend")
	SYM(irecv, "MPI_Irecv")
	SYM(testsome, "MPI_Testsome")
	SYM(finalize, "MPI_Finalize")
	SYM(error_string, "MPI_Error_string")
	SYM(library_version, "MPI_Get_library_version")
	lib.world = (handle)dlsym(h, "ompi_mpi_comm_world");
	if (lib.world) {
		SYM(byte, "ompi_mpi_byte")
		SYM(errors_return, "ompi_mpi_errors_return")
		lib.request = sizeof(handle);
	} else { // the numbers of MPICH's ABI
		lib.world = 0x44000000;
		lib.byte = 0x4c00010d;
		lib.errors_return = 0x54000001;
		lib.statuses_ignore = (void *)1;
		lib.request = sizeof(int);
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

int mpi_room(int requests)
{
	if (requests > lib.room) {
		free(lib.requests);
		lib.requests = calloc(requests, lib.request);
		lib.room = lib.requests ? requests : 0;
	}
	return requests <= lib.room;
}

int mpi_send(int request, const void *x, int count, int peer)
{
	return lib.isend(x, count, lib.byte, peer, 0, lib.world, lib.requests + request * lib.request);
}

int mpi_receive(int request, void *x, int count, int peer)
{
	return lib.irecv(x, count, lib.byte, peer, 0, lib.world, lib.requests + request * lib.request);
}

int mpi_done(int requests, int *count, int *which)
{
	return lib.testsome(requests, lib.requests, count, which, lib.statuses_ignore);
}

int mpi_finalize(void) { return lib.finalize(); }
