package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newQKNorm)
	engine.Register(kernels, newQKNormGrad)
}

func newQKNorm(d *Device, in *engine.Instr, o op.QKNormOp) (engine.Kernel, error) {
	rows := qkNorm[float32](d, in, o)
	if in.In[0].DType == engine.BF16 {
		rows = qkNorm[uint16](d, in, o)
	}
	return newRowsKernel(d, in.In[0].Rows(), rows), nil
}

func qkNorm[E elem](d *Device, in *engine.Instr, o op.QKNormOp) func(worker, first, last int) {
	bufs := d.buffers(1, o.HeadDim)
	return func(worker, first, last int) {
		row := bufs[worker][0]
		for n := first; n < last; n++ {
			x, y := rowOf[E](in.In[0], n), rowOf[E](in.Out[0], n)
			for head := range o.Heads + o.KVHeads {
				at := head * o.HeadDim
				convert(row, x[at:at+o.HeadDim])
				to := y[at : at+o.HeadDim]
				normalize(to, to, row, qkWeight(o.QKHeads, head, in.In[1:]), inverseRMS(row, o.Eps))
			}
			values := (o.Heads + o.KVHeads) * o.HeadDim
			copy(y[values:], x[values:])
		}
	}
}

// qkWeight is the weight of a head among those of queries and keys.
func qkWeight(h op.QKHeads, head int, of []*engine.Tensor) []float32 {
	if head < h.Heads {
		return of[0].Float32s()
	}
	return of[1].Float32s()
}

func inverseRMS(x []float32, eps float64) float32 {
	return float32(1 / math.Sqrt(float64(dot(x, x))/float64(len(x))+eps))
}

// qkNormGrad sums the gradients of the weights as rmsnormGrad does: each block of rows
// its part, [2,D], and the parts in order.
type qkNormGrad struct {
	d    *Device
	in   *engine.Instr
	o    op.QKNormGradOp
	zero []float32
	bufs [][][]float32
}

func newQKNormGrad(d *Device, in *engine.Instr, o op.QKNormGradOp) (engine.Kernel, error) {
	return &qkNormGrad{d: d, in: in, o: o, zero: make([]float32, o.HeadDim), bufs: d.buffers(3, o.HeadDim)}, nil
}

func (k *qkNormGrad) blocks() int { return ceil(k.in.In[0].Rows(), normGrain) }

func (k *qkNormGrad) Scratch() int64 { return 4 * int64(k.blocks()) * 2 * int64(k.o.HeadDim) }

func (k *qkNormGrad) Run(scratch unsafe.Pointer, accumulating bool) {
	c := 2 * k.o.HeadDim
	parts := unsafe.Slice((*float32)(scratch), k.blocks()*c)
	k.d.run(k.blocks(), func(worker, b int) {
		if k.in.In[1].DType == engine.BF16 {
			qkNormGradRows[uint16](k, worker, b, parts[b*c:(b+1)*c])
		} else {
			qkNormGradRows[float32](k, worker, b, parts[b*c:(b+1)*c])
		}
	})
	for i, dw := range k.in.Out[1:] {
		if dw == nil {
			continue
		}
		sum := dw.Float32s()
		if !k.in.Store[1+i].Adds(accumulating) {
			clear(sum)
		}
		for b := range k.blocks() {
			add(sum, sum, parts[b*c+i*k.o.HeadDim:][:k.o.HeadDim])
		}
	}
}

func qkNormGradRows[E elem](k *qkNormGrad, worker, block int, part []float32) {
	o, d := k.o, k.o.HeadDim
	g, xhat, row := k.bufs[worker][0], k.bufs[worker][1], k.bufs[worker][2]
	clear(part)
	for n := block * normGrain; n < min((block+1)*normGrain, k.in.In[0].Rows()); n++ {
		dy, x := rowOf[E](k.in.In[0], n), rowOf[E](k.in.In[1], n)
		var dx []E
		if k.in.Out[0] != nil {
			dx = rowOf[E](k.in.Out[0], n)
		}
		for head := range o.Heads + o.KVHeads {
			at, dw := head*d, part[:d]
			if head >= o.Heads {
				dw = part[d:]
			}
			w := qkWeight(o.QKHeads, head, k.in.In[2:])
			convert(g, dy[at:at+d])
			convert(row, x[at:at+d])
			r := inverseRMS(row, o.Eps)
			scale(xhat, r, row)
			normalizeGrad(row, k.zero, dw, g, xhat, w, r, dot3(g, w, xhat)/float32(d))
			if dx != nil {
				convert(dx[at:at+d], row)
			}
		}
		if values := (o.Heads + o.KVHeads) * d; dx != nil {
			copy(dx[values:], dy[values:])
		}
	}
}
