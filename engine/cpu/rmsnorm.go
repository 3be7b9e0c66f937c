package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
)

type rmsnorm struct {
	noScratch
	d    *Device
	in   *engine.Instr
	eps  float64
	bufs [][][]float32
	// rounds: x̂ is kept in bf16
	rounds bool
}

func newRMSNorm(d *Device, in *engine.Instr, eps float64) engine.Kernel {
	k := &rmsnorm{d: d, in: in, eps: eps, bufs: d.buffers(2, in.In[0].Cols())}
	for _, t := range in.Out[:2] {
		k.rounds = k.rounds || t != nil && t.DType == engine.BF16
	}
	return k
}

// Run makes y and, for training, x̂ and r. In bf16, y is made from the rounded
// x̂, as it is when it is made again in the backward pass.
func (k *rmsnorm) Run(unsafe.Pointer, bool) {
	x, w := k.in.In[0], k.in.In[1].Float32s()
	y, xhat, rstd := k.in.Out[0], k.in.Out[1], k.in.Out[2]
	c := x.Cols()
	k.d.rows(x.Rows(), func(worker, first, last int) {
		by, bh := k.bufs[worker][0], k.bufs[worker][1]
		for n := first; n < last; n++ {
			row := x.Float32s()[n*c : (n+1)*c]
			r := float32(1 / math.Sqrt(float64(dot(row, row))/float64(c)+k.eps))
			ty, th := by, bh
			if y != nil {
				ty = target(y, n, by)
			}
			if xhat != nil {
				th = target(xhat, n, bh)
			}
			normalize(ty, th, row, w, r, k.rounds)
			if y != nil {
				store(y, n, ty)
			}
			if xhat != nil {
				store(xhat, n, th)
			}
			if rstd != nil {
				rstd.Float32s()[n] = r
			}
		}
	})
}

type scaleColumns struct {
	noScratch
	d    *Device
	in   *engine.Instr
	bufs [][][]float32
}

func newScale(d *Device, in *engine.Instr) engine.Kernel {
	return &scaleColumns{d: d, in: in, bufs: d.buffers(2, in.In[0].Cols())}
}

func (k *scaleColumns) Run(unsafe.Pointer, bool) {
	x, w, y := k.in.In[0], k.in.In[1].Float32s(), k.in.Out[0]
	k.d.rows(x.Rows(), func(worker, first, last int) {
		for n := first; n < last; n++ {
			t := target(y, n, k.bufs[worker][1])
			mul(t, load(x, n, k.bufs[worker][0]), w)
			store(y, n, t)
		}
	})
}

// rmsnormGrad makes dx, which may be added to the gradient of the residual
// stream, and dw. Each block of rows sums its part of dw in scratch memory, and
// the parts are then added in order.
type rmsnormGrad struct {
	d    *Device
	in   *engine.Instr
	bufs [][][]float32
	zero []float32
}

func newRMSNormGrad(d *Device, in *engine.Instr) engine.Kernel {
	c := in.In[1].Cols()
	return &rmsnormGrad{d: d, in: in, bufs: d.buffers(3, c), zero: make([]float32, c)}
}

// normGrain is the number of rows that share a partial sum of dw.
const normGrain = 64

func (k *rmsnormGrad) blocks() int { return ceil(k.in.In[0].Rows(), normGrain) }

func (k *rmsnormGrad) Scratch() int64 { return 4 * int64(k.blocks()) * int64(k.in.In[0].Cols()) }

func (k *rmsnormGrad) Run(scratch unsafe.Pointer, accumulating bool) {
	dy, xhat, rstd, w := k.in.In[0], k.in.In[1], k.in.In[2].Float32s(), k.in.In[3].Float32s()
	dx, dw := k.in.Out[0], k.in.Out[1]
	n, c := dy.Rows(), dy.Cols()
	parts := unsafe.Slice((*float32)(scratch), k.blocks()*c)
	adds := k.in.Store[0].Adds(accumulating)
	k.d.run(k.blocks(), func(worker, b int) {
		part, buf := parts[b*c:(b+1)*c], k.bufs[worker]
		clear(part)
		for t := b * normGrain; t < min((b+1)*normGrain, n); t++ {
			g, h := load(dy, t, buf[0]), load(xhat, t, buf[1])
			mean := dot3(g, w, h) / float32(c)
			row, base := buf[2], k.zero
			if dx != nil {
				row = target(dx, t, buf[2])
				if adds {
					base = row
				}
			}
			normalizeGrad(row, base, part, g, h, w, rstd[t], mean)
			if dx != nil {
				store(dx, t, row)
			}
		}
	})
	if dw == nil {
		return
	}
	sum := dw.Float32s()
	if !k.in.Store[1].Adds(accumulating) {
		clear(sum)
	}
	for b := range k.blocks() {
		add(sum, sum, parts[b*c:(b+1)*c])
	}
}
