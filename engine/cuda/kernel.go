package cuda

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
)

// kernel is an instruction as a list of launches and matmuls. The list is made
// when it first runs, when the addresses are known, and enqueued again at every
// run; it differs between a step's first micro-batch and the others.
type kernel struct {
	d       *Device
	scratch int64
	list    func(c *commands)
	lists   [2]*commands
}

// commands are what an instruction enqueues.
type commands struct {
	d            *Device
	scratch      kernels.Pointer
	accumulating bool
	enqueue      []func() error
}

// plain is a kernel without scratch memory.
func (d *Device) plain(list func(c *commands)) *kernel { return &kernel{d: d, list: list} }

func (k *kernel) Scratch() int64 { return k.scratch }

func (k *kernel) Run(scratch unsafe.Pointer, accumulating bool) {
	i := 0
	if accumulating {
		i = 1
	}
	if k.lists[i] == nil {
		k.lists[i] = &commands{d: k.d, scratch: address(scratch), accumulating: accumulating}
		k.list(k.lists[i])
	}
	for _, f := range k.lists[i].enqueue {
		k.d.fail(f())
	}
}

// launch adds kernels to the list.
func (c *commands) launch(ls []kernels.Launch) {
	for _, l := range ls {
		c.enqueue = append(c.enqueue, func() error { return c.d.driver.Launch(l) })
	}
}

// multiply adds a matmul, whose workspace is in the scratch memory.
func (c *commands) multiply(p Plan, a, b, to, workspace kernels.Pointer, accumulate bool) {
	c.enqueue = append(c.enqueue, func() error { return c.d.driver.Multiply(p, a, b, to, workspace, accumulate) })
}

// copy adds a copy within the GPU's memory.
func (c *commands) copy(dst, src kernels.Pointer, bytes int64) {
	c.enqueue = append(c.enqueue, func() error { return c.d.driver.Copy(dst, src, bytes) })
}

// adds reports whether result i is added to what is there.
func (c *commands) adds(in *engine.Instr, i int) bool { return in.Store[i].Adds(c.accumulating) }

// layout hands out pieces of an instruction's scratch memory as offsets.
type layout struct{ size int64 }

func (l *layout) take(bytes int64) kernels.Pointer {
	p := kernels.Pointer(l.size)
	l.size += (bytes + 255) &^ 255
	return p
}

// taken is scratch memory aligned for every use, which the engine does not
// promise.
func (l *layout) taken() int64 {
	if l.size == 0 {
		return 0
	}
	return l.size + 255
}

// piece is the address of what take handed out.
func (c *commands) piece(p kernels.Pointer) kernels.Pointer { return (c.scratch+255)&^255 + p }
