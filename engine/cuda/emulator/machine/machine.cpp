#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <numeric>

#include "cuda.h"
#include "fiber.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

struct Copy {
	void* to;
	const void* from;
	bool there;
};

enum State { ready, waiting, done };

struct Thread {
	Fiber fiber;
	dim3 index;
	State state;
	std::vector<std::vector<Copy>> groups; // the last is open
};

struct Warp {
	void* calls[32];
	void (*work)(void**);
	int arrived;
};

static std::map<std::string, Kernel>& kernels() {
	static std::map<std::string, Kernel> all;
	return all;
}

void add(const char* name, Kernel kernel) { kernels()[name] = kernel; }

std::string names() {
	std::string all;
	for (auto& k : kernels())
		if (k.first.compare(0, 5, "test_")) all += k.first + "\n";
	return all;
}

bool find(const std::string& kernel, std::string& parameters) {
	auto found = kernels().find(kernel);
	if (found == kernels().end()) return false;
	parameters = found->second.parameters;
	return true;
}

static std::vector<Thread> threads;
static std::vector<Warp> warps;
static int block_size, current, at_barrier, exited;
static Fiber scheduler;
static const Kernel* kernel;
static const uint64_t* slots;
static unsigned char* shared;
static const char* kernel_name;

void fail(const char* format, ...) {
	fprintf(stderr, "%s, block (%u, %u, %u), thread (%u, %u, %u): ", kernel_name, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y,
		threadIdx.z);
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(3);
}

static void yield(State state) {
	threads[current].state = state;
	swap(threads[current].fiber, scheduler);
}

void together(void (*work)(void**), void* call) {
	int lane = current % 32;
	Warp& warp = warps[current / 32];
	if (warp.arrived > 0 && warp.work != work) fail("lanes of a warp meet in different calls");
	warp.work = work;
	warp.calls[lane] = call;
	if (++warp.arrived < 32) {
		yield(waiting);
		return;
	}
	work(warp.calls);
	warp.arrived = 0;
	for (int i = current - lane; i < current - lane + 32; i++) threads[i].state = ready;
}

void block_barrier() {
	if (exited) fail("a barrier after a thread has ended");
	if (++at_barrier < block_size) {
		yield(waiting);
		return;
	}
	at_barrier = 0;
	for (Warp& w : warps)
		if (w.arrived) fail("a barrier while lanes of a warp wait elsewhere");
	for (int i = 0; i < block_size; i++) threads[i].state = ready;
}

unsigned char* dynamic_shared() { return shared; }

void copy_later(void* to, const void* from, bool there) {
	if (reinterpret_cast<uintptr_t>(to) % 16 || reinterpret_cast<uintptr_t>(from) % 16)
		fail("cp.async from %p to %p: not multiples of 16", from, to);
	threads[current].groups.back().push_back({to, from, there});
}

void close_copies() { threads[current].groups.emplace_back(); }

void finish_copies(size_t but) {
	auto& groups = threads[current].groups;
	while (groups.size() > but + 1) {
		for (const Copy& c : groups.front()) {
			if (c.there)
				memcpy(c.to, c.from, 16);
			else
				memset(c.to, 0, 16);
		}
		groups.erase(groups.begin());
	}
}

static void thread_main() {
	kernel->call(slots);
	for (auto& group : threads[current].groups)
		if (!group.empty()) fail("ends with copies under way");
	exited++;
	yield(done);
}

// memory_before_wall maps bytes that end, but for less than 16, where nothing is
// mapped.
static unsigned char* memory_before_wall(size_t bytes) {
	size_t page = sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
	void* p = mmap(nullptr, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(static_cast<char*>(p) + whole, page, PROT_NONE)) {
		perror("shared memory");
		exit(3);
	}
	return static_cast<unsigned char*>(p) + whole - (bytes + 15) / 16 * 16;
}

static void run_block(const std::vector<int>& order) {
	exited = at_barrier = 0;
	for (Warp& w : warps) w.arrived = 0;
	for (int i = 0; i < block_size; i++) {
		Thread& t = threads[i];
		t.state = ready;
		t.groups.assign(1, {});
		t.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
		start(t.fiber, thread_main);
	}
	while (exited < block_size) {
		bool moved = false;
		for (int i : order) {
			if (threads[i].state != ready) continue;
			moved = true;
			current = i;
			threadIdx = threads[i].index;
			swap(scheduler, threads[i].fiber);
		}
		if (!moved) fail("all threads wait, %d of %d at a barrier, %d ended", at_barrier, block_size, exited);
	}
}

std::string run(const Launch& launch) {
	auto found = kernels().find(launch.kernel);
	if (found == kernels().end()) return "no kernel " + launch.kernel;
	kernel = &found->second;
	kernel_name = found->first.c_str();
	if (launch.slots.size() != kernel->parameters.size())
		return launch.kernel + " has " + std::to_string(kernel->parameters.size()) + " parameters, not " + std::to_string(launch.slots.size());
	slots = launch.slots.data();
	gridDim = {(unsigned)launch.grid[0], (unsigned)launch.grid[1], (unsigned)launch.grid[2]};
	blockDim = {(unsigned)launch.block[0], (unsigned)launch.block[1], (unsigned)launch.block[2]};
	uint64_t size = launch.block[0] * launch.block[1] * launch.block[2];
	if (size == 0 || size > 1024 || size % 32) return launch.kernel + ": a block of " + std::to_string(size) + " threads";
	if (launch.grid[0] == 0 || launch.grid[0] > 0x7fffffff || launch.grid[1] - 1 > 0xfffe || launch.grid[2] - 1 > 0xfffe)
		return launch.kernel + ": a grid that no GPU takes";
	if (launch.shared > (99 << 10)) return launch.kernel + ": " + std::to_string(launch.shared) + " bytes of shared memory";
	block_size = (int)size;
	threads.resize(std::max<size_t>(threads.size(), size));
	warps.resize(size / 32);
	static std::map<size_t, unsigned char*> walls;
	if (!walls[launch.shared]) walls[launch.shared] = memory_before_wall(launch.shared);
	shared = walls[launch.shared];

	std::vector<int> order(size);
	std::iota(order.begin(), order.end(), 0);
	uint32_t random = (uint32_t)launch.order;
	for (size_t i = size - 1; launch.order && i > 0; i--) {
		random = random * 1664525 + 1013904223;
		std::swap(order[i], order[(random >> 8) % (i + 1)]);
	}
	for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
		for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
			for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
				memset(shared, 0xff, launch.shared); // NaN
				run_block(order);
			}
	return "";
}

static float element(uint64_t base, uint64_t i, uint64_t type) {
	if (type) return from_slot<float>((uint32_t)reinterpret_cast<const uint16_t*>(base)[i] << 16);
	return reinterpret_cast<const float*>(base)[i];
}

static void put(uint64_t base, uint64_t i, uint64_t type, float x) {
	if (!type) {
		reinterpret_cast<float*>(base)[i] = x;
		return;
	}
	uint32_t u = __float_as_uint(x);
	reinterpret_cast<uint16_t*>(base)[i] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

void multiply(const Product& p) {
	std::vector<float> b(p.k * p.n), row(p.k);
	for (uint64_t k = 0; k < p.k; k++)
		for (uint64_t j = 0; j < p.n; j++) b[k * p.n + j] = element(p.b, p.tb ? j * p.ldb + k : k * p.ldb + j, p.type_b);
	std::vector<double> sums(p.n);
	for (uint64_t i = 0; i < p.m; i++) {
		for (uint64_t k = 0; k < p.k; k++) row[k] = element(p.a, p.ta ? k * p.lda + i : i * p.lda + k, p.type_a);
		std::fill(sums.begin(), sums.end(), 0);
		for (uint64_t k = 0; k < p.k; k++)
			for (uint64_t j = 0; j < p.n; j++) sums[j] += (double)row[k] * b[k * p.n + j];
		for (uint64_t j = 0; j < p.n; j++) {
			float x = p.alpha * (float)sums[j];
			if (p.beta != 0) x += p.beta * element(p.c, i * p.ldc + j, p.type_c);
			put(p.c, i * p.ldc + j, p.type_c, x);
		}
	}
}

} // namespace emulator
