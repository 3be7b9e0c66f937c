//go:build gpu

package driver

/*
#include "driver.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"gorgonia.org/cu"

	"mobilellm/collective"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/kernels"
)

// Driver is a GPU: its primary context, a stream for work and one for copies from
// the host. It implements cuda.Driver.
type Driver struct {
	device  cu.Device
	name    string
	bf16    bool
	tf32    bool
	stream  cu.Stream // kernels, matmuls and what leaves the GPU
	copies  cu.Stream // what enters it
	ready   cu.Event  // of the compute stream, for a copy to wait for
	modules []cu.Module
	kernels map[string]*kernel
	plans   map[cuda.Product]*plan
	marks   []cu.Event
	staging staging
}

// ErrNoDevice is what Open's error wraps where there is no GPU to be used.
var ErrNoDevice = errors.New("no CUDA device here")

// Open makes a driver of the first GPU of those that CUDA_VISIBLE_DEVICES leaves; of several
// ranks on a machine each takes the GPU of its number.
// Its error says what is missing: the NVIDIA driver, a device, or cublasLt.
func Open() (cuda.Driver, error) {
	if message := C.driver_open(); message != nil {
		return nil, fmt.Errorf("%w: cuInit: 100: no NVIDIA driver: %s\nhint: install NVIDIA's driver, or use --device cpu", ErrNoDevice, C.GoString(message))
	}
	if r := C.driver_init(); r != 0 {
		return nil, fmt.Errorf("%w: cuInit: %d: %w\nhint: see whether nvidia-smi lists a GPU, or use --device cpu", ErrNoDevice, int(r), result(r))
	}
	n, err := cu.NumDevices()
	if err != nil || n == 0 {
		return nil, fmt.Errorf("%w: %d GPUs: %v\nhint: see CUDA_VISIBLE_DEVICES, or use --device cpu", ErrNoDevice, n, err)
	}
	d := &Driver{kernels: map[string]*kernel{}, plans: map[cuda.Product]*plan{}, tf32: os.Getenv("MOBILELLM_CUDA_TF32") == "1"}
	if err := d.open(collective.LocalRank() % n); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Driver) open(number int) error {
	var err error
	if d.device, err = cu.GetDevice(number); err != nil {
		return fmt.Errorf("cuda: device %d: %w", number, err)
	}
	name, err := d.device.Name()
	if err != nil {
		return fmt.Errorf("cuda: device %d: %w", number, err)
	}
	major, err := d.device.Attribute(cu.ComputeCapabilityMajor)
	if err != nil {
		return fmt.Errorf("cuda: %s: %w", name, err)
	}
	d.bf16 = major >= 8
	context, err := d.device.RetainPrimaryCtx()
	if err != nil {
		return fmt.Errorf("cuda: %s: context: %w", name, err)
	}
	if err := cu.SetCurrentContext(context); err != nil {
		return fmt.Errorf("cuda: %s: context: %w", name, err)
	}
	if err := openCublasLt(); err != nil { // its handle belongs to the current context
		return err
	}
	for _, s := range []*cu.Stream{&d.stream, &d.copies} {
		if *s, err = cu.MakeStream(cu.NonBlocking); err != nil {
			return fmt.Errorf("cuda: %s: stream: %w", name, err)
		}
	}
	if d.ready, err = cu.MakeEvent(cu.DisableTiming); err != nil {
		return fmt.Errorf("cuda: %s: event: %w", name, err)
	}
	if err := d.staging.open(); err != nil {
		return err
	}
	version := int(C.driver_version())
	d.name = fmt.Sprintf("%s, CUDA %d.%d, cublasLt %s", name, version/1000, version%1000/10, cublasLtVersion())
	if d.tf32 {
		d.name += ", TF32"
	}
	return d.load()
}

// result is a driver function's result as an error.
func result(r C.int) error {
	if r == 0 {
		return nil
	}
	if text := C.driver_error(r); text != nil {
		return errors.New(C.GoString(text))
	}
	return fmt.Errorf("CUDA error %d", int(r))
}

// Name implements cuda.Driver.
func (d *Driver) Name() string {
	if d.tf32 {
		return d.name + ", TF32" // other losses: it is recorded with the run
	}
	return d.name
}

// BF16 implements cuda.Driver.
func (d *Driver) BF16() bool { return d.bf16 }

// Memory implements cuda.Driver.
func (d *Driver) Memory() (free, total int64) {
	free, total, err := cu.MemInfo()
	if err != nil {
		return 0, 0
	}
	return free, total
}

// Alloc implements cuda.Driver.
func (d *Driver) Alloc(bytes int64) (kernels.Pointer, error) {
	p, err := cu.MemAlloc(bytes)
	return kernels.Pointer(p), err
}

// Free implements cuda.Driver. It waits for what is enqueued.
func (d *Driver) Free(p kernels.Pointer) error {
	return errors.Join(d.stream.Synchronize(), cu.MemFree(cu.DevicePtr(p)))
}

// Clear implements cuda.Driver.
func (d *Driver) Clear(p kernels.Pointer, bytes int64) error {
	return cu.MemsetD8Async(cu.DevicePtr(p), 0, bytes, d.stream)
}

// Copy implements cuda.Driver.
func (d *Driver) Copy(dst, src kernels.Pointer, bytes int64) error {
	return cu.MemcpyDtoDAsync(cu.DevicePtr(dst), cu.DevicePtr(src), bytes, d.stream)
}

// compute is the stream of kernels as this package's C functions take it.
func (d *Driver) compute() unsafe.Pointer { return unsafe.Pointer(d.stream.C()) }

// Stream implements cuda.Driver.
func (d *Driver) Stream() unsafe.Pointer { return d.compute() }

// Mark implements cuda.Driver.
func (d *Driver) Mark(i int) error {
	for len(d.marks) <= i {
		e, err := cu.MakeEvent(cu.DefaultEvent)
		if err != nil {
			return fmt.Errorf("cuda: event: %w", err)
		}
		d.marks = append(d.marks, e)
	}
	return d.marks[i].Record(d.stream)
}

// Elapsed implements cuda.Driver.
func (d *Driver) Elapsed(i, j int) (time.Duration, error) {
	if err := d.marks[j].Synchronize(); err != nil {
		return 0, err
	}
	ms, err := d.marks[i].Elapsed(d.marks[j])
	return time.Duration(ms * float64(time.Millisecond)), err
}

// Close implements cuda.Driver. The primary context stays to the end of the process:
// cublasLt keeps kernels in it beyond its handle, and a driver that is opened later
// gets the same one.
func (d *Driver) Close() error {
	var errs []error
	if d.compute() != nil {
		errs = append(errs, d.stream.Synchronize())
	}
	d.freePlans()
	for i := range d.marks {
		errs = append(errs, cu.DestroyEvent(&d.marks[i]))
	}
	errs = append(errs, d.staging.close())
	for _, m := range d.modules {
		errs = append(errs, result(C.driver_unload(*(*unsafe.Pointer)(unsafe.Pointer(&m)))))
	}
	if d.compute() != nil {
		errs = append(errs, d.stream.Destroy(), d.copies.Destroy(), cu.DestroyEvent(&d.ready))
	}
	return errors.Join(errs...)
}
