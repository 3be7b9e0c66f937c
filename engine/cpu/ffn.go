package cpu

import (
	"unsafe"

	"mobilellm/engine"
)

type swigluKernel struct {
	noScratch
	d    *Device
	in   *engine.Instr
	bufs [][][]float32
}

func newSwiGLU(d *Device, in *engine.Instr) engine.Kernel {
	return &swigluKernel{d: d, in: in, bufs: d.buffers(2, in.In[0].Cols())}
}

func (k *swigluKernel) Run(unsafe.Pointer, bool) {
	x, h := k.in.In[0], k.in.Out[0]
	f := h.Cols()
	k.d.rows(x.Rows(), func(worker, first, last int) {
		for n := first; n < last; n++ {
			row, t := load(x, n, k.bufs[worker][0]), target(h, n, k.bufs[worker][1])
			swiglu(t, row[:f], row[f:])
			store(h, n, t)
		}
	})
}

type swigluGradKernel struct {
	noScratch
	d    *Device
	in   *engine.Instr
	bufs [][][]float32
}

func newSwiGLUGrad(d *Device, in *engine.Instr) engine.Kernel {
	return &swigluGradKernel{d: d, in: in, bufs: d.buffers(3, in.In[0].Cols())}
}

func (k *swigluGradKernel) Run(unsafe.Pointer, bool) {
	x, dh, dx := k.in.In[0], k.in.In[1], k.in.Out[0]
	f := dh.Cols()
	k.d.rows(x.Rows(), func(worker, first, last int) {
		buf := k.bufs[worker]
		for n := first; n < last; n++ {
			row, g, t := load(x, n, buf[0]), load(dh, n, buf[1]), target(dx, n, buf[2])
			swigluGrad(t[:f], t[f:], row[:f], row[f:], g)
			store(dx, n, t)
		}
	})
}

type reluKernel struct {
	noScratch
	d    *Device
	in   *engine.Instr
	bufs [][][]float32
}

func newReLU(d *Device, in *engine.Instr) engine.Kernel {
	return &reluKernel{d: d, in: in, bufs: d.buffers(2, in.In[0].Cols())}
}

func (k *reluKernel) Run(unsafe.Pointer, bool) {
	x, y := k.in.In[0], k.in.Out[0]
	k.d.rows(x.Rows(), func(worker, first, last int) {
		for n := first; n < last; n++ {
			row, t := load(x, n, k.bufs[worker][0]), target(y, n, k.bufs[worker][1])
			for i, v := range row {
				t[i] = max(v, 0)
			}
			store(y, n, t)
		}
	})
}

type reluGradKernel struct {
	noScratch
	d    *Device
	in   *engine.Instr
	bufs [][][]float32
}

func newReLUGrad(d *Device, in *engine.Instr) engine.Kernel {
	return &reluGradKernel{d: d, in: in, bufs: d.buffers(3, in.In[0].Cols())}
}

func (k *reluGradKernel) Run(unsafe.Pointer, bool) {
	x, dy, dx := k.in.In[0], k.in.In[1], k.in.Out[0]
	k.d.rows(x.Rows(), func(worker, first, last int) {
		buf := k.bufs[worker]
		for n := first; n < last; n++ {
			row, g, t := load(x, n, buf[0]), load(dy, n, buf[1]), target(dx, n, buf[2])
			for i, v := range row {
				t[i] = 0
				if v > 0 {
					t[i] = g[i]
				}
			}
			store(dx, n, t)
		}
	})
}

type addKernel struct {
	noScratch
	d    *Device
	in   *engine.Instr
	bufs [][][]float32
}

func newAdd(d *Device, in *engine.Instr) engine.Kernel {
	return &addKernel{d: d, in: in, bufs: d.buffers(3, in.In[0].Cols())}
}

func (k *addKernel) Run(unsafe.Pointer, bool) {
	a, b, y := k.in.In[0], k.in.In[1], k.in.Out[0]
	k.d.rows(y.Rows(), func(worker, first, last int) {
		buf := k.bufs[worker]
		for n := first; n < last; n++ {
			t := target(y, n, buf[2])
			add(t, load(a, n, buf[0]), load(b, n, buf[1]))
			store(y, n, t)
		}
	})
}
