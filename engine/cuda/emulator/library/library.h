// What libcuda and cublasLt share: streams of work, and the memory that is held.
#pragma once
#include <cuda.h>

#include <functional>

namespace library {

using Work = std::function<void()>;

// wrong ends the process: a call that a GPU would take, with results that nobody
// foresees, or that the driver package must not make.
[[noreturn]] void wrong(const char* format, ...);

bool has_context();                     // the calling thread has a current one
bool is_stream(CUstream s);             // that was made and not destroyed
void enqueue(CUstream s, Work w);       // or keep it, while the stream is captured
bool held(CUdeviceptr p, size_t bytes); // all of them belong to one allocation

} // namespace library
