package device

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mobilellm/collective"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/optim"
)

// Auto is the name that stands for the best device of the machine.
const Auto = "auto"

// Device is what a program needs of the machine that computes it.
type Device interface {
	engine.Device
	// For runs f(worker, i) for every i below n on the device's workers.
	For(n int, f func(worker, i int))
	Workers() int
	// BF16 reports whether bf16 matmuls run in hardware.
	BF16() bool
	// FastBF16 reports whether they are also as fast as float32's.
	FastBF16() bool
	// Peak measures the fastest matmul of that precision, in FLOP/s.
	Peak(p engine.Precision, run time.Duration) (float64, error)
	// Missing lists what would make the device faster.
	Missing() []string
	Close()
}

// Accelerator is a device that keeps weights, gradients and moments in a memory
// of its own and updates them there.
type Accelerator interface {
	Device
	// Memory is the size of its memory and what of it is free, in bytes.
	Memory() (free, total int64)
	// JoinRanks joins the devices of a run's ranks, whose gradients are summed there. A step that
	// waits for another longer than timeout fails; 0 is forever.
	JoinRanks(g collective.Group, timeout time.Duration) error
	// CheckUpdate reports an optimizer that NewUpdate cannot make.
	CheckUpdate(c optim.Config) error
	// NewUpdate takes memory for an optimizer over all parameters of w. decays
	// says for each of w.Names whether weight decay applies; a step collects at
	// most so many scalars.
	NewUpdate(c optim.Config, w *engine.Weights, decays []bool, scalars int) (engine.Update, error)
}

// Validate reports a name that [Open] does not know, or that the build cannot open.
func Validate(name string) error {
	switch name {
	case Auto, "cpu":
		return nil
	case "cuda":
		if !hasCUDA {
			return errNoCUDABuild
		}
		return nil
	}
	return fmt.Errorf("device (%s) must be auto, cpu or cuda", name)
}

// Open opens the device of that name: auto, cpu or cuda. auto is an NVIDIA
// GPU where there is one, in builds that can use it, and the processor
// elsewhere; note is told why it is not the GPU. Without workers, 0, the
// processor has as many as the process may use of it.
func Open(name string, workers int, note func(string)) (Device, error) {
	if err := Validate(name); err != nil {
		return nil, err
	}
	if name != "cpu" && hasCUDA {
		dev, err := openCUDA()
		if err == nil {
			return dev, nil
		}
		if name == "cuda" {
			return nil, fmt.Errorf("device (cuda): %w", err)
		}
		if note != nil {
			text, _, _ := strings.Cut(err.Error(), "\n")
			note("no GPU is used: " + text)
		}
	}
	return cpu.New(cpu.Options{Workers: workers}), nil
}

var errNoCUDABuild = errors.New("device (cuda) is not in this build\nhint: build with make build-gpu, or use --device cpu")
