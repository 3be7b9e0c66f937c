// Package cpu is the engine's device for x86-64 and other processors.
//
// Matmuls go to oneDNN (package onednn) where the library is installed,
// in bf16 to kernels of our own (package bf16), as those of attention do in float32
// (package f32). What is between them is Go:
// simd/archsimd kernels where the program is built with GOEXPERIMENT=simd and the
// processor has AVX-512, else plain loops; with an exponential, in bf16, it is C. One pool of workers, each bound to an OS thread, splits every
// operation; oneDNN's own threads are switched off.
//
// Work is split into pieces whose size does not depend on which worker takes
// them, so that the same number of workers gives the same bits every time.
package cpu
