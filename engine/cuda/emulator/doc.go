// Package emulator runs the CUDA kernels on the CPU, for tests on machines without
// a GPU.
//
// The sources of package kernels are compiled by a C++ compiler against
// machine/cuda.h, in which every GPU thread is a fiber: barriers, shuffles, votes,
// asynchronous copies and the matmuls of tensor cores do what they do on a GPU,
// lane by lane. It is stricter than a GPU where that finds mistakes: threads must
// meet in the same barrier, copies to shared memory happen as late as they may,
// shared memory begins as NaN, the byte after an allocation cannot be touched, and
// the order in which threads run can be changed from launch to launch. It says
// nothing about speed, and nothing about a race that no order of whole threads
// shows.
//
// The machine is a process of its own. Its memory lies at addresses that are
// reserved in this process and cannot be read or written here, as a GPU's cannot:
//
//	m, err := emulator.Start()
//	if errors.Is(err, emulator.ErrNoCompiler) { … }
//	x, err := m.Alloc(4 * n)
//	err = m.Write(x, bytes)
//	for _, l := range kernels.Fill(x, 1, n) {
//		err = m.Launch(l)
//	}
//
// [Library] makes the same machine a library that stands for NVIDIA's libcuda and
// cublasLt, so that package driver too can be tested: calls are held to NVIDIA's
// headers, to what may be done while a stream is captured, to pinned memory and to the
// alignment that a matmul was promised, and work is done no earlier than somebody
// waits for it.
package emulator
