//go:build !gpu

package device

// hasCUDA says whether the build can use NVIDIA GPUs.
const hasCUDA = false

func openCUDA() (Accelerator, error) { return nil, errNoCUDABuild }
