// The emulated GPU's memory and its runs of kernels.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

namespace emulator {

// Launch is one run of a kernel. order permutes the threads of a block: a kernel
// whose result depends on it lacks a barrier.
struct Launch {
	std::string kernel;
	uint64_t grid[3], block[3], shared, order;
	std::vector<uint64_t> slots;
};

std::string run(const Launch& launch); // an error, or nothing
std::string names();                   // of all kernels, a line each

// find reports whether there is a kernel of that name, and the letters of its parameters: p
// for an address, i for an int64, f for a float32.
bool find(const std::string& kernel, std::string& parameters);

// Product is c[m,n] = alpha·a·b + beta·c, row major, with a[m,k] and b[k,n] stored
// transposed where ta and tb say so. Types: 0 float32, 1 bf16.
struct Product {
	uint64_t m, n, k, ta, tb, a, b, c, lda, ldb, ldc, type_a, type_b, type_c;
	float alpha, beta;
};
void multiply(const Product& product);

} // namespace emulator
