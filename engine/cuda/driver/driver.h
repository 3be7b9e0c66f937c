#ifndef MOBILELLM_DRIVER_H
#define MOBILELLM_DRIVER_H

#include <stddef.h>
#include <stdint.h>

// Results are CUDA's: 0 for success.

// driver_open opens libcuda and fills the jump table of the stubs; it returns NULL, or dlopen's
// message.
const char *driver_open(void);
int driver_init(void);
const char *driver_error(int result);
int driver_version(void);

int driver_unload(void *module);
int driver_shared(void *function, int bytes);
int driver_pin(void **p, size_t bytes);
int driver_unpin(void *p);

int driver_capture_begin(void *stream);
// driver_capture_end makes an executable graph of what was captured.
int driver_capture_end(void *stream, void **graph);
int driver_graph_launch(void *graph, void *stream);
int driver_graph_free(void *graph);

#endif
