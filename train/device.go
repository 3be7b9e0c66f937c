package train

import (
	"fmt"
	"time"

	"mobilellm/engine"
	"mobilellm/engine/cpu"
)

// Device is what a run needs of the machine that computes it.
type Device interface {
	engine.Device
	// For runs f(worker, i) for every i below n on the device's workers.
	For(n int, f func(worker, i int))
	Workers() int
	// BF16 reports whether bf16 products run in hardware.
	BF16() bool
	// Peak measures the fastest product of that precision, in FLOP/s.
	Peak(p engine.Precision, run time.Duration) (float64, error)
	// Missing lists what would make the device faster.
	Missing() []string
	Close()
}

func validateDevice(name string) error {
	switch name {
	case auto, "cpu":
		return nil
	case "cuda":
		return fmt.Errorf("device (cuda) is not in this build\nhint: use --device cpu")
	}
	return fmt.Errorf("device (%s) must be auto or cpu", name)
}

// OpenDevice opens the device of that name, auto or cpu. Without workers, 0, it
// has as many as the process may use processors.
func OpenDevice(name string, workers int) (Device, error) {
	if err := validateDevice(name); err != nil {
		return nil, err
	}
	return cpu.New(cpu.Options{Workers: workers}), nil
}
