package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"mobilellm/collective"
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
)

// Device runs instructions on an NVIDIA GPU. It implements engine.Device and
// what a training run wants beside it. It is not safe for concurrent use.
type Device struct {
	*thread
	driver Driver
	opt    Options
	angles map[angleKey]angles
	memory map[*memory]bool // what is not freed yet
	err    error            // the first of anything enqueued

	ranks   Ranks         // nil of a run of one
	timeout time.Duration // of a step's wait for others
}

// Options are a device's choices.
type Options struct {
	NoGraphs bool // enqueue every kernel of every step, in place of a captured graph of them
	Plain    bool // attention without tensor cores
	// PeakEdge is the edge of the matmul that Peak measures; 0 is 8192.
	PeakEdge int
	// HeadBytes bounds the head's logits that exist at once; 0 is 1 GB.
	HeadBytes int
	// Join joins the ranks of a group; nil does by NCCL.
	Join func(g collective.Group) (Ranks, error)
}

// New makes a device of the driver that open returns. open, and everything else
// of the driver, runs on an OS thread of the device's own.
func New(open func() (Driver, error), o Options) (*Device, error) {
	if o.PeakEdge == 0 {
		o.PeakEdge = 8192
	}
	if o.HeadBytes == 0 {
		o.HeadBytes = headBytes
	}
	d := &Device{thread: newThread(), opt: o, angles: map[angleKey]angles{}, memory: map[*memory]bool{}}
	var err error
	d.Do(func() { d.driver, err = open() })
	if err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// Close frees all memory and the GPU.
func (d *Device) Close() {
	d.Do(func() {
		d.fail(d.leaveRanks())
		for m := range d.memory {
			d.fail(m.free())
		}
		d.fail(d.driver.Close())
	})
	d.stop()
}

// Name says what the device computes with.
func (d *Device) Name() string { return "cuda, " + d.driver.Name() }

// Missing lists what would make the device faster.
func (d *Device) Missing() []string {
	if d.driver.BF16() {
		return nil
	}
	return []string{"tensor cores for bf16 (compute capability 8.0 and above)"}
}

// BF16 reports whether tensor cores multiply bf16.
func (d *Device) BF16() bool { return d.driver.BF16() }

// FastBF16 is BF16: hardware that multiplies bf16 is built for it.
func (d *Device) FastBF16() bool { return d.driver.BF16() }

// Memory is the size of the GPU's memory and what of it is free, in bytes.
func (d *Device) Memory() (free, total int64) {
	d.Do(func() { free, total = d.driver.Memory() })
	return free, total
}

// Workers is the number of processors that For uses.
func (d *Device) Workers() int { return runtime.GOMAXPROCS(0) }

// For runs host work, such as drawing initial weights, on all processors.
func (d *Device) For(n int, f func(worker, i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for w := range min(n, d.Workers()) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < n; i = next.Add(1) - 1 {
				f(w, int(i))
			}
		})
	}
	all.Wait()
}

// fail keeps the first error.
func (d *Device) fail(err error) {
	if d.err == nil && err != nil {
		d.err = err
	}
}

// Err implements engine.Asynchronous. After an error the GPU's context is of no
// use, so it stays.
func (d *Device) Err() error { return d.err }

// Mark implements engine.Asynchronous.
func (d *Device) Mark(i int) { d.Do(func() { d.fail(d.driver.Mark(i)) }) }

// Elapsed implements engine.Asynchronous.
func (d *Device) Elapsed(i, j int) (t time.Duration) {
	d.Do(func() {
		var err error
		t, err = d.driver.Elapsed(i, j)
		d.fail(err)
	})
	return t
}

// Record implements engine.Recorder with a CUDA graph.
func (d *Device) Record(f func()) (r engine.Recording, err error) {
	if d.opt.NoGraphs {
		return nil, nil
	}
	d.Do(func() { r, err = d.driver.Capture(f) })
	if err = errors.Join(d.err, err); err != nil { // what broke the capture first
		return nil, fmt.Errorf("cuda: graph of the step: %w", err)
	}
	return recording{d, r}, nil
}

// recording replays a graph on the device's thread.
type recording struct {
	d     *Device
	graph engine.Recording
}

func (r recording) Replay() (err error) {
	r.d.Do(func() { err = r.graph.Replay() })
	return err
}

func (r recording) Free() (err error) {
	r.d.Do(func() { err = r.graph.Free() })
	return err
}

// memory is a piece of the GPU's memory.
type memory struct {
	d *Device
	p kernels.Pointer
}

// Alloc implements engine.Device.
func (d *Device) Alloc(bytes int64) (engine.Memory, error) {
	m := &memory{d: d}
	var err error
	d.Do(func() {
		free, total := d.driver.Memory()
		if m.p, err = d.driver.Alloc(max(bytes, 1)); err != nil {
			err = fmt.Errorf("cannot take %d MB of GPU memory (%d MB free of %d MB): %w", bytes>>20, free>>20, total>>20, err)
			return
		}
		err = d.driver.Clear(m.p, max(bytes, 1))
	})
	if err != nil {
		return nil, err
	}
	d.memory[m] = true
	return m, nil
}

// Pointer is an address on the GPU, which the host must not follow.
func (m *memory) Pointer() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&m.p)) }

func (m *memory) Free() (err error) {
	if m.d.memory[m] {
		m.d.Do(func() { err = m.free() })
	}
	return err
}

func (m *memory) free() error {
	delete(m.d.memory, m)
	return m.d.driver.Free(m.p)
}

// Upload implements engine.Remote.
func (d *Device) Upload(dst unsafe.Pointer, src []byte) (err error) {
	d.Do(func() { err = d.driver.Upload(address(dst), src) })
	return err
}

// Download implements engine.Remote.
func (d *Device) Download(dst []byte, src unsafe.Pointer) (err error) {
	d.Do(func() {
		if err = d.driver.Download(dst, address(src)); err == nil {
			err = d.err
		}
	})
	return err
}

// KeepsBF16 implements engine.Device: matmuls read a rounded copy of the weights.
func (d *Device) KeepsBF16() bool { return true }

// Round implements engine.Device.
func (d *Device) Round(dst, src *engine.Tensor) {
	d.Do(func() { d.launch(kernels.Round(at(dst), at(src), src.Len())) })
}

// launch enqueues kernels at once.
func (d *Device) launch(ls []kernels.Launch) {
	for _, l := range ls {
		d.fail(d.driver.Launch(l))
	}
}

func address(p unsafe.Pointer) kernels.Pointer { return kernels.Pointer(uintptr(p)) }

// at is a tensor's address, 0 for one that is not there.
func at(t *engine.Tensor) kernels.Pointer {
	if t == nil {
		return 0
	}
	return address(t.Pointer())
}

// compilers are the GPU's kernels, by operation.
var compilers = engine.NewKernels[*Device]("the GPU")

// Compile implements engine.Device.
func (d *Device) Compile(in *engine.Instr) (engine.Kernel, error) { return compilers.Compile(d, in) }
