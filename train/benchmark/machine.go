package benchmark

import (
	"fmt"
	"time"
	"unsafe"

	"mobilellm/arch"
	"mobilellm/device"
	"mobilellm/engine"
)

// Device is what is measured.
type Device interface {
	device.Device
	// ProductPeak is Peak for an m×n×k matmul.
	ProductPeak(p engine.Precision, m, n, k int, run time.Duration) (float64, error)
}

// summer is a device that reads host memory on all its workers.
type summer interface{ Sum(x []float32) float64 }

// copier is a device that measures its memory by itself, in bytes per second.
type copier interface{ ReadBandwidth() (float64, error) }

// Machine are the measured limits of a machine.
type Machine struct {
	Device string  `json:"device"`
	Edge   int     `json:"peak_edge"`            // of the matmul that the peak is of
	Peak   float64 `json:"peak_gflops"`          // 2048³ matmul, on a GPU 8192³
	Shape  float64 `json:"shape_gflops"`         // the model's largest layer matmul
	Read   float64 `json:"read_gigabytes_per_s"` // sum over an array beyond all caches; on a GPU a copy, read and written
}

// MeasureMachine measures the peaks; run is the length of each of the matmul's
// five runs.
func MeasureMachine(dev Device, c arch.Config, tokens int, p engine.Precision, run time.Duration) (Machine, error) {
	m := Machine{Device: dev.Name(), Edge: 2048}
	if _, ok := dev.(device.Accelerator); ok {
		m.Edge = 8192
	}
	peak, err := dev.Peak(p, run)
	if err != nil {
		return m, fmt.Errorf("benchmark: peak: %w", err)
	}
	m.Peak = peak / 1e9
	rows := max(tokens/dev.Workers(), 1) // each worker has a matmul of its own
	if _, ok := dev.(device.Accelerator); ok {
		rows = tokens
	}
	if peak, err = dev.ProductPeak(p, rows, 2*c.FFNDim, c.Dim, run/5); err != nil {
		return m, fmt.Errorf("benchmark: peak of the model's product: %w", err)
	}
	m.Shape = peak / 1e9
	m.Read, err = readBandwidth(dev)
	return m, err
}

// readBandwidth sums 256 MB, more than the caches hold, three times and returns the best GB/s.
func readBandwidth(dev Device) (float64, error) {
	if c, ok := dev.(copier); ok {
		best, err := c.ReadBandwidth()
		return best / 1e9, err
	}
	sum := dev.(summer)
	const bytes, piece = 256 << 20, 1 << 20
	mem, err := dev.Alloc(bytes)
	if err != nil {
		return 0, fmt.Errorf("benchmark: bandwidth: %w", err)
	}
	defer mem.Free()
	x := unsafe.Slice((*float32)(mem.Pointer()), bytes/4)
	dev.For(len(x)*4/piece, func(_, i int) {
		part := x[i*piece/4 : (i+1)*piece/4]
		for j := range part {
			part[j] = float32(j & 3)
		}
	})
	var best float64
	for range 3 {
		start := time.Now()
		sum.Sum(x)
		best = max(best, bytes/time.Since(start).Seconds()/1e9)
	}
	return best, nil
}
