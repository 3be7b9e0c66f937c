/* Stands before the toolkit's cuda.h on the include path, for gorgonia.org/cu v0.9.6, which
 * stays as it is.
 *
 * Its init() calls cuInit and ends the process where that fails, so that no binary with it
 * could start without a GPU: here the call does nothing, and package driver makes the real
 * one. And of the functions that it calls, CUDA 13 has five with other parameters: here they
 * have the old ones.
 */
#ifndef MOBILELLM_SHIM_CUDA_H
#define MOBILELLM_SHIM_CUDA_H

#include_next <cuda.h>
#include <stddef.h>

#if CUDA_VERSION >= 13000

static inline CUmemLocation mobilellm_location(CUdevice device) {
	CUmemLocation at;
	if (device == CU_DEVICE_CPU) {
		at.type = CU_MEM_LOCATION_TYPE_HOST;
		at.id = 0;
	} else {
		at.type = CU_MEM_LOCATION_TYPE_DEVICE;
		at.id = device;
	}
	return at;
}

static inline CUresult mobilellm_cuCtxCreate(CUcontext *context, unsigned int flags, CUdevice device) {
	return cuCtxCreate_v4(context, NULL, flags, device);
}

static inline CUresult mobilellm_cuMemAdvise(CUdeviceptr p, size_t bytes, CUmem_advise advice, CUdevice device) {
	return cuMemAdvise_v2(p, bytes, advice, mobilellm_location(device));
}

static inline CUresult mobilellm_cuMemPrefetchAsync(CUdeviceptr p, size_t bytes, CUdevice device, CUstream stream) {
	return cuMemPrefetchAsync_v2(p, bytes, mobilellm_location(device), 0, stream);
}

static inline CUresult mobilellm_cuGraphAddDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t n) {
	return cuGraphAddDependencies_v2(graph, from, to, NULL, n);
}

static inline CUresult mobilellm_cuGraphGetEdges(CUgraph graph, CUgraphNode *from, CUgraphNode *to, size_t *n) {
	return cuGraphGetEdges_v2(graph, from, to, NULL, n);
}

#undef cuCtxCreate
#undef cuMemAdvise
#undef cuMemPrefetchAsync
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#define cuCtxCreate mobilellm_cuCtxCreate
#define cuMemAdvise mobilellm_cuMemAdvise
#define cuMemPrefetchAsync mobilellm_cuMemPrefetchAsync
#define cuGraphAddDependencies mobilellm_cuGraphAddDependencies
#define cuGraphGetEdges mobilellm_cuGraphGetEdges

#endif /* CUDA 13 */

#ifndef MOBILELLM_REAL_CUINIT
static inline CUresult mobilellm_cuInit(unsigned int flags) {
	(void)flags;
	return CUDA_SUCCESS;
}
#define cuInit mobilellm_cuInit
#endif

#endif
