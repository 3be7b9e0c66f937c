//go:build gpu

#define MOBILELLM_REAL_CUINIT
#include <cuda.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "driver.h"

// The jump table of stubs_amd64.S, and the names of its functions one after the other, ended by
// an empty one.
extern void *mobilellm_stub_table[];
extern const char mobilellm_stub_names[];

const char *driver_open(void) {
	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
	if (lib == NULL) return dlerror();
	int i = 0;
	for (const char *name = mobilellm_stub_names; *name; i++) {
		void *f = dlsym(lib, name);
		if (f != NULL) mobilellm_stub_table[i] = f; // an older driver lacks some that are not called
		while (*name) name++;
		name++;
	}
	return NULL;
}

int driver_init(void) { return cuInit(0); }

const char *driver_error(int result) {
	const char *text = NULL;
	if (cuGetErrorString((CUresult)result, &text) != CUDA_SUCCESS) return NULL;
	return text;
}

int driver_version(void) {
	int v = 0;
	return cuDriverGetVersion(&v) == CUDA_SUCCESS ? v : 0;
}

int driver_unload(void *module) { return cuModuleUnload((CUmodule)module); }

int driver_shared(void *function, int bytes) {
	return cuFuncSetAttribute((CUfunction)function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
}

int driver_pin(void **p, size_t bytes) { return cuMemHostAlloc(p, bytes, 0); }
int driver_unpin(void *p) { return cuMemFreeHost(p); }

int driver_capture_begin(void *stream) {
	return cuStreamBeginCapture((CUstream)stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

int driver_capture_end(void *stream, void **graph) {
	CUgraph captured = NULL;
	CUresult r = cuStreamEndCapture((CUstream)stream, &captured);
	if (r != CUDA_SUCCESS) return r;
	CUgraphExec exec = NULL;
	r = cuGraphInstantiateWithFlags(&exec, captured, 0);
	CUresult destroyed = cuGraphDestroy(captured);
	*graph = exec;
	return r != CUDA_SUCCESS ? r : destroyed;
}

int driver_graph_launch(void *graph, void *stream) { return cuGraphLaunch((CUgraphExec)graph, (CUstream)stream); }
int driver_graph_free(void *graph) { return cuGraphExecDestroy((CUgraphExec)graph); }
