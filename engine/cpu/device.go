package cpu

import (
	"fmt"
	"runtime"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/cpu/f32"
	"mobilellm/engine/cpu/onednn"
)

// Device runs instructions on this machine's processor. It implements
// engine.Device.
type Device struct {
	*Pool
	products   bool // oneDNN is there
	pairs      bool // bf16 matmuls by package bf16
	tiles      bool // float32 matmuls of attention by package f32
	rowBuffers map[[2]int][][][]float32
	angles     map[angleKey]*angles
}

// Options are a device's choices.
type Options struct {
	Workers int  // 0: as many as the process may use processors
	Plain   bool // no oneDNN, no bf16
	OneDNN  bool // matmuls by oneDNN even where packages bf16 and f32 can
}

// New starts the workers.
func New(o Options) *Device {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Workers = min(o.Workers, onednn.MaxWorkers)
	return &Device{
		Pool:       NewPool(o.Workers),
		products:   !o.Plain && onednn.Open() == nil,
		pairs:      !o.Plain && !o.OneDNN && bf16.Available() && !hardware().amx,
		tiles:      !o.Plain && !o.OneDNN && f32.Available(),
		rowBuffers: map[[2]int][][][]float32{},
		angles:     map[angleKey]*angles{},
	}
}

// Name says what the device computes with.
func (d *Device) Name() string {
	products, rows := "plain Go products", "plain Go kernels"
	if d.products {
		products = "oneDNN " + onednn.Version()
	}
	if avx512 {
		rows = "AVX-512 kernels"
	}
	return fmt.Sprintf("cpu, %d workers, %s, %s", d.Workers(), products, rows)
}

// Missing lists what would make the device faster, for one notice at start.
func (d *Device) Missing() []string {
	var m []string
	if !d.products {
		m = append(m, fmt.Sprintf("oneDNN (%v)", onednn.Open()))
	}
	if !avx512 {
		m = append(m, "AVX-512 kernels (needs GOEXPERIMENT=simd when building, and a processor that has it)")
	}
	return m
}

// Alloc implements engine.Device.
func (d *Device) Alloc(bytes int64) (engine.Memory, error) { return Alloc(bytes) }

// Alloc takes zeroed memory of the host, outside Go's heap where the system lets it.
func Alloc(bytes int64) (engine.Memory, error) { return alloc(bytes) }

// kernels are the processor's, by operation.
var kernels = engine.NewKernels[*Device]("the cpu")

// Compile implements engine.Device.
func (d *Device) Compile(in *engine.Instr) (engine.Kernel, error) {
	if err := refusePacked(in); err != nil {
		return nil, err
	}
	return kernels.Compile(d, in)
}

// KeepsBF16 implements engine.Device: package bf16 rounds weights as it packs
// them, oneDNN wants them rounded.
func (d *Device) KeepsBF16() bool { return !d.pairs }

// Round implements engine.Device.
func (d *Device) Round(dst, src *engine.Tensor) {
	d.Do(func() { d.narrow(dst.BFloat16s(), src.Float32s()) })
}

// noScratch is for kernels that need none.
type noScratch struct{}

func (noScratch) Scratch() int64 { return 0 }

// offset moves a pointer by a number of elements.
func offset(p unsafe.Pointer, elements int, t engine.DType) unsafe.Pointer {
	return unsafe.Add(p, int64(elements)*t.Size())
}

func aligned(n int64) int64 { return (n + 63) &^ 63 }
