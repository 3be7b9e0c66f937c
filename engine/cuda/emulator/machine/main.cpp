// Serves the emulated GPU on standard input and output; emulator.go is its client.
// All numbers are little-endian uint64.
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "machine.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static void get(void* p, size_t n) {
	if (fread(p, 1, n, stdin) != n) exit(feof(stdin) ? 0 : 3);
}

static uint64_t number() {
	uint64_t x;
	get(&x, sizeof x);
	return x;
}

static void put(const void* p, size_t n) {
	if (fwrite(p, 1, n, stdout) != n) exit(3);
}

// reply sends an error's length and text; 0 is success.
static void reply(const std::string& error) {
	uint64_t n = error.size();
	put(&n, sizeof n);
	put(error.data(), n);
}

// map takes memory at an address that the client has chosen. Its last bytes lie
// before a page that is not mapped.
static std::string map(uint64_t address, uint64_t bytes) {
	void* want = reinterpret_cast<void*>(address);
	void* p = mmap(want, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED) return strerror(errno);
	if (p != want) {
		munmap(p, bytes);
		return "address in use";
	}
	return "";
}

int main() {
	for (;;) {
		switch (number()) {
		case 'a': {
			uint64_t address = number(), bytes = number();
			reply(map(address, bytes));
			break;
		}
		case 'f': {
			uint64_t address = number(), bytes = number();
			reply(munmap(reinterpret_cast<void*>(address), bytes) ? strerror(errno) : "");
			break;
		}
		case 'w': {
			uint64_t address = number(), bytes = number();
			get(reinterpret_cast<void*>(address), bytes);
			reply("");
			break;
		}
		case 'r': {
			uint64_t address = number(), bytes = number();
			reply("");
			put(reinterpret_cast<void*>(address), bytes);
			break;
		}
		case 'l': {
			emulator::Launch l;
			l.kernel.resize(number());
			get(&l.kernel[0], l.kernel.size());
			for (auto& x : l.grid) x = number();
			for (auto& x : l.block) x = number();
			l.shared = number();
			l.order = number();
			l.slots.resize(number());
			for (auto& x : l.slots) x = number();
			reply(emulator::run(l));
			break;
		}
		case 'k': {
			std::string all = emulator::names();
			uint64_t n = all.size();
			reply("");
			put(&n, sizeof n);
			put(all.data(), n);
			break;
		}
		case 'p': {
			emulator::Product p;
			get(&p, sizeof p);
			emulator::multiply(p);
			reply("");
			break;
		}
		default:
			fprintf(stderr, "emulator: unknown request\n");
			return 3;
		}
		fflush(stdout);
	}
}
