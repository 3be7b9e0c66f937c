// Package driver is the CUDA device's driver on a real GPU, with the build tag
// gpu: gorgonia.org/cu for devices, the context, modules, streams, events and
// memory; a cgo file of its own for what cu lacks (pinned memory, captured graphs,
// large shared memory); cublasLt for matmuls.
//
// Neither library is linked. libcuda.so.1 is opened by Open, until when the
// functions that cu calls are jump stubs (stubs_amd64.S, made by
// scripts/cuda-stubs.sh) that answer "no device"; so one binary starts with a
// driver and without. cublasLt is libcublasLt.so.13, else .so.12, or what
// MOBILELLM_CUBLASLT names.
//
//	dev, err := cuda.New(driver.Open, cuda.Options{})
//
// float32 matmuls do not use TF32 unless MOBILELLM_CUDA_TF32 is 1.
package driver
