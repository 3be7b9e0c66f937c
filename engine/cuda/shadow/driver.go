//go:build unix

package shadow

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/kernels"
)

// Options are a driver's choices.
type Options struct {
	// Run runs a launch whose addresses are the host's; nil is Plain.
	Run    func(l kernels.Launch) error
	NoBF16 bool  // a GPU without tensor cores for bf16
	Bytes  int64 // memory of the GPU; 0 is 4 GiB
}

// Driver implements cuda.Driver. The counters are for tests.
type Driver struct {
	opt       Options
	regions   []*region // by address
	used      int64
	capturing *[]func() error
	marks     []time.Time

	Launches  int // made by Launch and by replays
	Downloads int
	Replays   int
	Closed    bool
}

// New returns a driver with empty memory.
func New(o Options) *Driver {
	if o.Run == nil {
		o.Run = Plain
	}
	if o.Bytes == 0 {
		o.Bytes = 4 << 30
	}
	return &Driver{opt: o}
}

// region is a piece of memory: forbidden addresses and the data behind them.
type region struct {
	forbidden, data []byte
}

func (r *region) base() kernels.Pointer {
	return kernels.Pointer(uintptr(unsafe.Pointer(unsafe.SliceData(r.forbidden))))
}

// Name implements cuda.Driver.
func (d *Driver) Name() string { return "shadow of a GPU" }

// BF16 implements cuda.Driver.
func (d *Driver) BF16() bool { return !d.opt.NoBF16 }

// Stream implements cuda.Driver.
func (d *Driver) Stream() unsafe.Pointer { return nil }

// Memory implements cuda.Driver.
func (d *Driver) Memory() (free, total int64) { return d.opt.Bytes - d.used, d.opt.Bytes }

// Alloc implements cuda.Driver. The data is filled with NaNs, so that what is
// read before it is written shows.
func (d *Driver) Alloc(bytes int64) (kernels.Pointer, error) {
	if d.capturing != nil {
		return 0, errors.New("shadow: memory taken in a graph")
	}
	if d.used+bytes > d.opt.Bytes {
		return 0, errors.New("shadow: out of memory")
	}
	r := &region{}
	var err error
	if r.forbidden, err = unix.Mmap(-1, 0, int(bytes), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return 0, fmt.Errorf("shadow: %w", err)
	}
	if r.data, err = unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return 0, fmt.Errorf("shadow: %w", err)
	}
	for i := range r.data {
		r.data[i] = 0xff
	}
	d.used += bytes
	d.regions = append(d.regions, r)
	slices.SortFunc(d.regions, func(a, b *region) int {
		if a.base() < b.base() {
			return -1
		}
		return 1
	})
	return r.base(), nil
}

// Free implements cuda.Driver.
func (d *Driver) Free(p kernels.Pointer) error {
	for i, r := range d.regions {
		if r.base() == p {
			d.regions = slices.Delete(d.regions, i, i+1)
			d.used -= int64(len(r.data))
			return errors.Join(unix.Munmap(r.forbidden), unix.Munmap(r.data))
		}
	}
	return fmt.Errorf("shadow: %#x is no memory that is held", uint64(p))
}

// find returns the data behind an address up to the region's end.
func (d *Driver) find(p kernels.Pointer) ([]byte, bool) {
	for _, r := range d.regions {
		if p >= r.base() && p < r.base()+kernels.Pointer(len(r.data)) {
			return r.data[p-r.base():], true
		}
	}
	return nil, false
}

// bytes is the data of n bytes at an address.
func (d *Driver) bytes(p kernels.Pointer, n int64) ([]byte, error) {
	b, ok := d.find(p)
	if !ok || int64(len(b)) < n {
		return nil, fmt.Errorf("shadow: %d bytes at %#x are not held", n, uint64(p))
	}
	return b[:n], nil
}

// do runs work at once, or keeps it while a graph is captured.
func (d *Driver) do(work func() error) error {
	if d.capturing != nil {
		*d.capturing = append(*d.capturing, work)
		return nil
	}
	return work()
}

// Clear implements cuda.Driver.
func (d *Driver) Clear(p kernels.Pointer, n int64) error {
	return d.do(func() error {
		b, err := d.bytes(p, n)
		clear(b)
		return err
	})
}

// Copy implements cuda.Driver.
func (d *Driver) Copy(dst, src kernels.Pointer, n int64) error {
	return d.do(func() error {
		to, err := d.bytes(dst, n)
		from, err2 := d.bytes(src, n)
		copy(to, from)
		return errors.Join(err, err2)
	})
}

// Upload implements cuda.Driver.
func (d *Driver) Upload(dst kernels.Pointer, src []byte) error {
	if d.capturing != nil {
		return errors.New("shadow: upload in a graph")
	}
	to, err := d.bytes(dst, int64(len(src)))
	copy(to, src)
	return err
}

// Download implements cuda.Driver.
func (d *Driver) Download(dst []byte, src kernels.Pointer) error {
	if d.capturing != nil {
		return errors.New("shadow: download in a graph")
	}
	d.Downloads++
	from, err := d.bytes(src, int64(len(dst)))
	copy(dst, from)
	return err
}

// Launch implements cuda.Driver.
func (d *Driver) Launch(l kernels.Launch) error {
	for i := range 3 {
		if l.Grid[i] < 1 || l.Block[i] < 1 {
			return fmt.Errorf("shadow: %s: grid %v of blocks %v", l.Kernel, l.Grid, l.Block)
		}
	}
	if threads := l.Block[0] * l.Block[1] * l.Block[2]; threads > 1024 || l.Grid[1] > 65535 || l.Grid[2] > 65535 {
		return fmt.Errorf("shadow: %s: grid %v of blocks %v is beyond what a GPU takes", l.Kernel, l.Grid, l.Block)
	}
	return d.do(func() error {
		d.Launches++
		l := l
		l.Args = slices.Clone(l.Args)
		for i, x := range l.Args {
			if b, ok := d.find(kernels.Pointer(x)); ok {
				l.Args[i] = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
			}
		}
		return d.opt.Run(l)
	})
}

// Capture implements cuda.Driver.
func (d *Driver) Capture(f func()) (engine.Recording, error) {
	g := &graph{d: d}
	d.capturing = &g.work
	f()
	d.capturing = nil
	return g, nil
}

type graph struct {
	d    *Driver
	work []func() error
}

func (g *graph) Replay() error {
	g.d.Replays++
	for _, f := range g.work {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (g *graph) Free() error {
	g.work = nil
	return nil
}

// Mark implements cuda.Driver.
func (d *Driver) Mark(i int) error {
	for len(d.marks) <= i {
		d.marks = append(d.marks, time.Time{})
	}
	d.marks[i] = time.Now()
	return nil
}

// Elapsed implements cuda.Driver.
func (d *Driver) Elapsed(i, j int) (time.Duration, error) { return d.marks[j].Sub(d.marks[i]), nil }

// Close implements cuda.Driver. Memory that is still held is an error.
func (d *Driver) Close() error {
	d.Closed = true
	if len(d.regions) > 0 {
		return fmt.Errorf("shadow: %d pieces of memory are not freed", len(d.regions))
	}
	return nil
}

var _ cuda.Driver = (*Driver)(nil)
