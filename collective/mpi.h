#include <stddef.h>
#include <stdint.h>

// Each that returns an int without a comment returns MPI's error, 0 for none.
int mpi_open(const char *path, char *message, size_t n); // 1 where the library is there
int mpi_init(int *rank, int *size, int *threads);
const char *mpi_version(void);
void mpi_error(int code, char *text, size_t n);
int mpi_room(int requests); // 1 where there is memory for so many
int mpi_send(int request, const void *x, int count, int peer);
int mpi_receive(int request, void *x, int count, int peer);
int mpi_done(int requests, int *count, int *which); // those done since it was asked last
int mpi_finalize(void);
