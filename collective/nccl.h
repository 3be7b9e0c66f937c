#include <stddef.h>
#include <stdint.h>

enum { NCCL_ID = 128 }; // bytes of an id

// Those that return an int without a comment return NCCL's error, 0 for none.
int nccl_open(const char *path, char *message, size_t n); // 1 where the library is there
int nccl_version(int *version);
const char *nccl_error(int code);
int nccl_id(void *id);
int nccl_init(void **comm, int size, const void *id, int rank);
int nccl_all_reduce(void *comm, uintptr_t x, size_t n, void *stream); // float32, in place
int nccl_async_error(void *comm, int *code);
int nccl_abort(void *comm);
int nccl_destroy(void *comm);
