package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newRMSNorm)
	engine.Register(kernels, newRMSNormGrad)
	engine.Register(kernels, newScale)
}

// newRMSNorm makes y and, for training, x̂ and r. In bf16, y is made from the
// rounded x̂, as it is when it is made again in the backward pass.
func newRMSNorm(d *Device, in *engine.Instr, o op.RMSNormOp) (engine.Kernel, error) {
	kept := in.Out[0]
	if kept == nil {
		kept = in.Out[1]
	}
	rows := rmsnorm[float32](in, o.Eps)
	if kept.DType == engine.BF16 {
		rows = rmsnorm[uint16](in, o.Eps)
	}
	return newRowsKernel(d, in.In[0].Rows(), rows), nil
}

func rmsnorm[E elem](in *engine.Instr, eps float64) func(_, first, last int) {
	x := in.In[0]
	y, xhat, rstd := in.Out[0], in.Out[1], in.Out[2]
	c := x.Cols()
	return func(_, first, last int) {
		w := in.In[1].Float32s()
		for n := first; n < last; n++ {
			row := rowOf[float32](x, n)
			r := float32(1 / math.Sqrt(float64(dot(row, row))/float64(c)+eps))
			switch {
			case xhat == nil:
				normalize(rowOf[E](y, n), rowOf[E](y, n), row, w, r)
			case y == nil:
				scale(rowOf[E](xhat, n), r, row)
			default:
				normalize(rowOf[E](y, n), rowOf[E](xhat, n), row, w, r)
			}
			if rstd != nil {
				rstd.Float32s()[n] = r
			}
		}
	}
}

func newScale(d *Device, in *engine.Instr, _ op.ScaleOp) (engine.Kernel, error) {
	return byType(in.Out[0],
		func(bool) { scaleColumns[float32](d, in) },
		func(bool) { scaleColumns[uint16](d, in) }), nil
}

func scaleColumns[E elem](d *Device, in *engine.Instr) {
	x, w, y := in.In[0], in.In[1].Float32s(), in.Out[0]
	d.rows(x.Rows(), func(_, first, last int) {
		for n := first; n < last; n++ {
			mul(rowOf[E](y, n), rowOf[E](x, n), w)
		}
	})
}

// rmsnormGrad makes dx, which may be added to the gradient of the residual
// stream, and dw. Each block of rows sums its part of dw in scratch memory, and
// the parts are then added in order.
type rmsnormGrad struct {
	d    *Device
	in   *engine.Instr
	zero []float32
	bufs [][][]float32
}

func newRMSNormGrad(d *Device, in *engine.Instr, _ op.RMSNormGradOp) (engine.Kernel, error) {
	c := in.In[1].Cols()
	return &rmsnormGrad{d: d, in: in, zero: make([]float32, c), bufs: d.buffers(1, c)}, nil
}

// normGrain is the number of rows that share a partial sum of dw.
const normGrain = 64

func (k *rmsnormGrad) blocks() int { return ceil(k.in.In[0].Rows(), normGrain) }

func (k *rmsnormGrad) Scratch() int64 { return 4 * int64(k.blocks()) * int64(k.in.In[0].Cols()) }

func (k *rmsnormGrad) Run(scratch unsafe.Pointer, accumulating bool) {
	c := k.in.In[0].Cols()
	parts := unsafe.Slice((*float32)(scratch), k.blocks()*c)
	adds := k.in.Store[0].Adds(accumulating)
	k.d.run(k.blocks(), func(worker, b int) {
		if k.in.In[1].DType == engine.BF16 {
			rmsnormGradRows[uint16](k, worker, b, parts[b*c:(b+1)*c], adds)
		} else {
			rmsnormGradRows[float32](k, worker, b, parts[b*c:(b+1)*c], adds)
		}
	})
	dw := k.in.Out[1]
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

func rmsnormGradRows[E elem](k *rmsnormGrad, worker, block int, part []float32, adds bool) {
	dy, xhat, rstd, w := k.in.In[0], k.in.In[1], k.in.In[2].Float32s(), k.in.In[3].Float32s()
	clear(part)
	for t := block * normGrain; t < min((block+1)*normGrain, dy.Rows()); t++ {
		g, h := rowOf[E](dy, t), rowOf[E](xhat, t)
		row, base := k.bufs[worker][0], k.zero
		if dx := k.in.Out[0]; dx != nil {
			row = rowOf[float32](dx, t)
			if adds {
				base = row
			}
		}
		normalizeGrad(row, base, part, g, h, w, rstd[t], dot3(g, w, h)/float32(len(w)))
	}
}
