// libcuda on the emulator: what package driver calls of it, against NVIDIA's header.
// Work stays with its stream until somebody waits for it, so that it is done as late as
// CUDA allows. Stricter than CUDA: a call that breaks a capture ends it, no copy is from or
// to memory that is not pinned, and no work goes to the default stream.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "../machine.h"
#include "library.h"

using library::Work;
using library::wrong;

struct CUevent_st {
	bool timing;
	uint64_t recorded, done; // how often
	CUstream stream;         // of the last record
	std::chrono::steady_clock::time_point at;
};

struct CUstream_st {
	std::deque<Work> queue;
	bool running, broken;
	std::unique_ptr<std::vector<Work>> captured;

	// run does work until there is enough, or none left.
	void run(std::function<bool()> enough) {
		if (running) wrong("a stream waits for itself");
		running = true;
		while (!queue.empty() && !enough()) {
			Work w = std::move(queue.front());
			queue.pop_front();
			w();
		}
		running = false;
	}
	void finish() {
		run([] { return false; });
	}
};

struct CUgraph_st {
	std::vector<Work> work;
};

struct CUgraphExec_st {
	std::shared_ptr<std::vector<Work>> work;
};

struct CUmod_st {};

struct CUfunc_st {
	std::string name, parameters;
	unsigned shared;
};

struct CUctx_st {};

static bool initialised;
static CUctx_st primary;
static thread_local CUcontext current;
static CUstream capturing; // one at a time is enough here
static std::set<CUstream> streams;
static std::set<CUevent> events;
static std::map<CUdeviceptr, size_t> allocations;
static std::map<const char*, size_t> pinned;
static size_t used;
static const size_t TOTAL = (size_t)8 << 30, PAGE = 4096, USUAL_SHARED = 48 << 10, MOST_SHARED = 227 << 10;

namespace library {

void wrong(const char* format, ...) {
	va_list args;
	va_start(args, format);
	fputs("libcuda: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(3);
}

bool has_context() { return initialised && current; }
bool is_stream(CUstream s) { return streams.count(s); }

void enqueue(CUstream s, Work w) {
	if (s->captured)
		s->captured->push_back(std::move(w));
	else
		s->queue.push_back(std::move(w));
}

bool held(CUdeviceptr p, size_t bytes) {
	auto after = allocations.upper_bound(p);
	if (after == allocations.begin()) return false;
	auto a = std::prev(after);
	return p + bytes <= a->first + a->second;
}

} // namespace library

// ready is whether a call may be made now: by this thread, and with this stream if there is
// one.
static CUresult ready(const CUstream* s = nullptr) {
	if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
	if (!current) return CUDA_ERROR_INVALID_CONTEXT;
	if (s && !*s) wrong("the default stream");
	if (s && !library::is_stream(*s)) return CUDA_ERROR_INVALID_HANDLE;
	return CUDA_SUCCESS;
}

// uncaptured is ready for a call that may not be made while a stream is captured.
static CUresult uncaptured(const CUstream* s = nullptr) {
	if (!capturing) return ready(s);
	capturing->broken = true;
	return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

static bool is_pinned(const void* p, size_t bytes) {
	auto after = pinned.upper_bound(static_cast<const char*>(p));
	if (after == pinned.begin()) return false;
	auto a = std::prev(after);
	return static_cast<const char*>(p) + bytes <= a->first + a->second;
}

#define TRY(call)                               \
	do {                                        \
		CUresult r_ = (call);                   \
		if (r_ != CUDA_SUCCESS) return r_;      \
	} while (0)
#define WANT(condition) \
	if (!(condition)) return CUDA_ERROR_INVALID_VALUE

extern "C" {

CUresult cuInit(unsigned flags) {
	WANT(flags == 0);
	initialised = true;
	return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int* version) { return *version = CUDA_VERSION, CUDA_SUCCESS; }

CUresult cuGetErrorString(CUresult r, const char** text) {
	static std::map<int, std::string> all;
	all[r] = "result " + std::to_string(r);
	*text = all[r].c_str();
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* n) {
	*n = 1;
	return initialised ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult cuDeviceGet(CUdevice* d, int ordinal) {
	*d = 0;
	return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char* name, int n, CUdevice) {
	snprintf(name, n, "emulated GPU");
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* x, CUdevice_attribute a, CUdevice) {
	WANT(a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
	*x = 9;
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* c, CUdevice) {
	*c = &primary;
	return initialised ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult cuCtxSetCurrent(CUcontext c) {
	current = c;
	return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream* s, unsigned flags) {
	TRY(uncaptured());
	WANT(flags == CU_STREAM_NON_BLOCKING);
	*s = new CUstream_st{};
	streams.insert(*s);
	return CUDA_SUCCESS;
}

CUresult cuStreamDestroy(CUstream s) {
	TRY(uncaptured(&s));
	s->finish();
	streams.erase(s);
	delete s;
	return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream s) {
	TRY(uncaptured(&s));
	s->finish();
	return CUDA_SUCCESS;
}

// wait does the work before an event's n-th record.
static void wait(CUevent e, uint64_t n) {
	if (e->done >= n) return;
	e->stream->run([=] { return e->done >= n; });
	if (e->done < n) wrong("an event that never comes");
}

CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned flags) {
	TRY(uncaptured(&s));
	WANT(flags == 0 && events.count(e));
	library::enqueue(s, [e, n = e->recorded] { wait(e, n); });
	return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode mode) {
	TRY(uncaptured(&s));
	WANT(mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
	capturing = s;
	s->broken = false;
	s->captured.reset(new std::vector<Work>);
	return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream s, CUgraph* g) {
	TRY(ready(&s));
	if (capturing != s) return CUDA_ERROR_ILLEGAL_STATE;
	capturing = nullptr;
	auto captured = std::move(s->captured);
	if (s->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	*g = new CUgraph_st{std::move(*captured)};
	return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* e, CUgraph g, unsigned long long flags) {
	TRY(uncaptured());
	WANT(flags == 0);
	*e = new CUgraphExec_st{std::make_shared<std::vector<Work>>(g->work)};
	return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph g) {
	delete g;
	return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec e) {
	delete e;
	return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec e, CUstream s) {
	TRY(uncaptured(&s));
	library::enqueue(s, [work = e->work] {
		for (auto& w : *work) w();
	});
	return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent* e, unsigned flags) {
	TRY(ready());
	*e = new CUevent_st{};
	(*e)->timing = !(flags & CU_EVENT_DISABLE_TIMING);
	events.insert(*e);
	return CUDA_SUCCESS;
}

CUresult cuEventDestroy(CUevent e) {
	TRY(ready());
	WANT(events.erase(e));
	delete e;
	return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent e, CUstream s) {
	TRY(uncaptured(&s));
	WANT(events.count(e));
	e->stream = s;
	library::enqueue(s, [e, n = ++e->recorded] {
		e->done = n;
		e->at = std::chrono::steady_clock::now();
	});
	return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent e) {
	TRY(uncaptured());
	WANT(events.count(e));
	wait(e, e->recorded);
	return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float* ms, CUevent a, CUevent b) {
	TRY(uncaptured());
	WANT(a->timing && b->timing && a->recorded && b->recorded);
	if (a->done < a->recorded || b->done < b->recorded) return CUDA_ERROR_NOT_READY;
	*ms = std::chrono::duration<float, std::milli>(b->at - a->at).count();
	return CUDA_SUCCESS;
}

static size_t pages(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

// Memory of NaNs whose end, but for less than 256 bytes, lies before a page that nobody may
// touch.
CUresult cuMemAlloc(CUdeviceptr* p, size_t bytes) {
	TRY(uncaptured());
	WANT(bytes > 0);
	if (bytes > TOTAL - used) return CUDA_ERROR_OUT_OF_MEMORY;
	void* base = mmap(nullptr, pages(bytes) + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
	char* at = static_cast<char*>(base) + pages(bytes) - (bytes + 255) / 256 * 256;
	if (mprotect(static_cast<char*>(base) + pages(bytes), PAGE, PROT_NONE)) return CUDA_ERROR_OUT_OF_MEMORY;
	memset(at, 0xff, bytes);
	*p = reinterpret_cast<CUdeviceptr>(at);
	allocations[*p] = bytes;
	used += bytes;
	return CUDA_SUCCESS;
}

CUresult cuMemFree(CUdeviceptr p) {
	TRY(uncaptured());
	auto a = allocations.find(p);
	WANT(a != allocations.end());
	for (CUstream s : streams) s->finish();
	munmap(reinterpret_cast<void*>(p / PAGE * PAGE), pages(a->second) + PAGE);
	used -= a->second;
	allocations.erase(a);
	return CUDA_SUCCESS;
}

CUresult cuMemGetInfo(size_t* free, size_t* total) {
	TRY(ready());
	*free = TOTAL - used;
	*total = TOTAL;
	return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void** p, size_t bytes, unsigned flags) {
	TRY(uncaptured());
	WANT(flags == 0);
	*p = malloc(bytes);
	memset(*p, 0xff, bytes);
	pinned[static_cast<char*>(*p)] = bytes;
	return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void* p) {
	TRY(uncaptured());
	WANT(pinned.erase(static_cast<char*>(p)));
	for (CUstream s : streams) s->finish();
	free(p);
	return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr p, unsigned char x, size_t bytes, CUstream s) {
	TRY(ready(&s));
	WANT(library::held(p, bytes));
	library::enqueue(s, [=] { memset(reinterpret_cast<void*>(p), x, bytes); });
	return CUDA_SUCCESS;
}

static CUresult copy(void* to, const void* from, size_t bytes, CUstream s) {
	library::enqueue(s, [=] { memcpy(to, from, bytes); });
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s) {
	TRY(ready(&s));
	WANT(library::held(to, bytes) && library::held(from, bytes));
	return copy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes, s);
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t bytes, CUstream s) {
	TRY(uncaptured(&s));
	WANT(library::held(to, bytes) && is_pinned(from, bytes));
	return copy(reinterpret_cast<void*>(to), from, bytes, s);
}

CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t bytes, CUstream s) {
	TRY(uncaptured(&s));
	WANT(library::held(from, bytes) && is_pinned(to, bytes));
	return copy(to, reinterpret_cast<const void*>(from), bytes, s);
}

// The image must be a fat binary; what it would run is compiled into this library.
CUresult cuModuleLoadData(CUmodule* m, const void* image) {
	TRY(uncaptured());
	const uint32_t FAT_BINARY = 0xba55ed50;
	if (reinterpret_cast<uintptr_t>(image) % 8 || *static_cast<const uint32_t*>(image) != FAT_BINARY) return CUDA_ERROR_INVALID_IMAGE;
	*m = new CUmod_st;
	return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule m) {
	TRY(uncaptured());
	delete m;
	return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* f, CUmodule, const char* name) {
	TRY(ready());
	static std::map<std::string, CUfunc_st> all;
	std::string parameters;
	if (!emulator::find(name, parameters)) return CUDA_ERROR_NOT_FOUND;
	*f = &all[name];
	if ((*f)->name.empty()) **f = {name, parameters, USUAL_SHARED};
	return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int x) {
	TRY(ready());
	WANT(a == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES && x <= (int)MOST_SHARED);
	f->shared = x;
	return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream s,
	void** parameters, void** extra) {
	TRY(ready(&s));
	WANT(shared <= f->shared && !extra);
	static uint64_t order; // of the threads: another at every launch
	emulator::Launch l{f->name, {gx, gy, gz}, {bx, by, bz}, shared, ++order, {}};
	for (size_t i = 0; i < f->parameters.size(); i++) {
		uint64_t slot = 0;
		memcpy(&slot, parameters[i], f->parameters[i] == 'f' ? 4 : 8);
		l.slots.push_back(slot);
	}
	library::enqueue(s, [l] {
		std::string error = emulator::run(l);
		if (!error.empty()) wrong("%s", error.c_str());
	});
	return CUDA_SUCCESS;
}

} // extern "C"
