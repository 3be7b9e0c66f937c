//go:build gpu

package device

import (
	"os"

	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/driver"
)

// hasCUDA says whether the build can use NVIDIA GPUs.
const hasCUDA = true

// openCUDA opens the GPU. MOBILELLM_CUDA_GRAPHS=off enqueues every kernel by
// itself.
func openCUDA() (Accelerator, error) {
	dev, err := cuda.New(driver.Open, cuda.Options{NoGraphs: os.Getenv("MOBILELLM_CUDA_GRAPHS") == "off"})
	if err != nil {
		return nil, err
	}
	return dev, nil
}
