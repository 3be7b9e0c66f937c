package benchmark

import (
	"fmt"
	"slices"
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
	_, accelerator := dev.(device.Accelerator)
	var peak float64
	var err error
	if accelerator {
		m.Edge = 8192
		peak, err = dev.Peak(p, run)
	} else {
		peak, err = dev.ProductPeak(p, m.Edge, m.Edge, m.Edge, run)
	}
	if err != nil {
		return m, fmt.Errorf("benchmark: peak: %w", err)
	}
	m.Peak = peak / 1e9
	rows := max(tokens/dev.Workers(), 1) // each worker has a matmul of its own
	if accelerator {
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
	const bytes = 256 << 20
	sum := dev.(summer)
	x, free, err := filled(dev, bytes)
	if err != nil {
		return 0, err
	}
	defer free()
	var best float64
	for range 3 {
		start := time.Now()
		sum.Sum(x)
		best = max(best, bytes/time.Since(start).Seconds()/1e9)
	}
	return best, nil
}

// filled is memory of so many bytes that has been written.
func filled(dev Device, bytes int64) (x []float32, free func(), err error) {
	const piece = 1 << 20
	mem, err := dev.Alloc(bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("benchmark: bandwidth: %w", err)
	}
	x = unsafe.Slice((*float32)(mem.Pointer()), bytes/4)
	dev.For((len(x)*4+piece-1)/piece, func(_, i int) {
		part := x[i*piece/4 : min((i+1)*piece/4, len(x))]
		for j := range part {
			part[j] = float32(j & 3)
		}
	})
	return x, func() { _ = mem.Free() }, nil
}

// ReadTwice is how much longer it takes to read each of several blocks of so many bytes
// twice in a row than once, the best of some tries each: what a processor's caches can
// give to layers that run twice. A cache that does not keep what was read once gives
// nothing.
func ReadTwice(dev Device, block int64, blocks int) (float64, error) {
	sum, ok := dev.(summer)
	if !ok {
		return 0, fmt.Errorf("benchmark: %s does not read host memory", dev.Name())
	}
	x, free, err := filled(dev, block*int64(blocks))
	if err != nil {
		return 0, err
	}
	defer free()
	least := [2]time.Duration{}
	for range 7 {
		for times := range least {
			start := time.Now()
			for part := range slices.Chunk(x, int(block/4)) {
				for range times + 1 {
					sum.Sum(part)
				}
			}
			if took := time.Since(start); least[times] == 0 || took < least[times] {
				least[times] = took
			}
		}
	}
	return least[1].Seconds() / least[0].Seconds(), nil
}
