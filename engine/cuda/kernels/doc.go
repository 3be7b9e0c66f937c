// Package kernels is the device code of the engine's CUDA device: everything
// between the matmuls, which go to cublasLt.
//
// The .cu files hold the kernels, one idea a file; the .go file of the same name
// says how they are launched. An operation is a function from device addresses
// and shapes to a list of [Launch], to be enqueued in order on one stream, so
// that grid, block, shared memory and the order of parameters are written down
// in one place. Lists are made once, when addresses are known, and then used at
// every step: making one allocates, running it does not.
//
//	layer := kernels.Attention{Batch: 32, Seq: 2048, Heads: 9, KVHeads: 3, HeadDim: 64, DType: engine.BF16}
//	scratch := alloc(layer.Scratch())
//	for _, l := range layer.Forward(qkv, starts, cos, sin, out, lse, scratch) {
//		launch(l.Kernel, l.Grid, l.Block, l.Shared, l.Args)
//	}
//
// # Parameters
//
// Every parameter takes a slot of 8 bytes: a device address, an int64, or the
// bits of a float32 in the low four bytes. Address 0 stands for an operand that
// is not there. Kernels are extern "C"; those for two element types end in _f32
// and _bf16. All compute in float32. Addresses that the engine hands out are
// multiples of 16 except for parameters, which lie end to end: kernels look at
// those addresses before they read several elements at once.
//
// # Determinism
//
// No kernel adds floats by atomic operations. Sums over rows are taken in pieces
// whose size depends on the shape alone, and the pieces are added in order, so
// the same shapes give the same bits on every run.
//
// # Precision
//
// As on the CPU: matmuls and what is kept of a block are bf16 where the run is,
// sums, statistics of rows, the residual stream and gradients of weights are
// float32, and results are rounded once, to nearest, ties to even.
//
// # Attention
//
// Forward and backward follow FlashAttention-2 (Dao, 2023). A pass before turns
// queries and keys by RoPE into scratch memory, so that tiles come in by
// asynchronous copies. The backward pass makes the scores twice, once for dQ and
// once for dK and dV, in place of atomic additions to dQ. bf16 with a head size
// of up to 128 that is a multiple of 8 runs on tensor cores (mma.sync, compute
// capability 8.0 and above), everything else on plain kernels.
//
// # Building
//
// `make cuda-kernels` compiles each .cu file to a fat binary of code for compute
// capabilities 8.0, 9.0 and 10.0 and PTX for others, which the build tag gpu
// embeds (see [Modules]). manifest.txt records the hashes of the sources; a test
// fails where they and the binaries are of different times. The compiler is CUDA 13's,
// whose PTX wants a driver of the 580 series or later. Package emulator runs the same
// sources on the CPU.
package kernels
