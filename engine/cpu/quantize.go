package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/op"
	"mobilellm/internal/quant"
)

func init() {
	engine.Register(kernels, newQuantize)
	engine.Register(kernels, newQuantizeGrad)
	engine.Register(kernels, newLearnedQuantize)
	engine.Register(kernels, newLearnedQuantizeGrad)
}

func newQuantize(d *Device, in *engine.Instr, o op.QuantizeOp) (engine.Kernel, error) {
	return d.rounded(in, nil, o.Rule), nil
}

func newLearnedQuantize(d *Device, in *engine.Instr, o op.LearnedQuantizeOp) (engine.Kernel, error) {
	return d.rounded(in, in.In[1], o.Rule), nil
}

// rounded rounds rows in float32.
func (d *Device) rounded(in *engine.Instr, alpha *engine.Tensor, r quant.Rule) engine.Kernel {
	x, y := in.In[0], in.Out[0]
	buffers := d.buffers(2, x.Cols())
	return newRowsKernel(d, x.Rows(), func(worker, first, last int) {
		for n := first; n < last; n++ {
			out := buffers[worker][1]
			quant.Round(r, out, floatRow(x, n, buffers[worker][0]), alphaOf(alpha, n))
			setRow(y, n, out)
		}
	})
}

func newQuantizeGrad(d *Device, in *engine.Instr, o op.QuantizeGradOp) (engine.Kernel, error) {
	x, dy, dx := in.In[0], in.In[1], in.Out[0]
	return d.roundedGrad(x, nil, dy, dx, nil, in, o.Rule), nil
}

func newLearnedQuantizeGrad(d *Device, in *engine.Instr, o op.LearnedQuantizeGradOp) (engine.Kernel, error) {
	return d.roundedGrad(in.In[0], in.In[1], in.In[2], in.Out[0], in.Out[1], in, o.Rule), nil
}

func (d *Device) roundedGrad(x, alpha, dy, dx, dalpha *engine.Tensor, in *engine.Instr, r quant.Rule) engine.Kernel {
	buffers, by := d.buffers(3, x.Cols()), float32(r.GradientScale(x.Len()))
	rows := func(worker, first, last int, accumulating bool) {
		b := buffers[worker]
		for n := first; n < last; n++ {
			grad := b[2]
			sum := quant.Backward(r, grad, floatRow(x, n, b[0]), floatRow(dy, n, b[1]), alphaOf(alpha, n))
			if dx != nil {
				if in.Store[0].Adds(accumulating) {
					add(rowOf[float32](dx, n), rowOf[float32](dx, n), grad)
				} else {
					setRow(dx, n, grad)
				}
			}
			if dalpha == nil {
				continue
			}
			a := &dalpha.Float32s()[n]
			if !in.Store[1].Adds(accumulating) {
				*a = 0
			}
			*a += by * sum
		}
	}
	return rowKernel{run: func(accumulating bool) {
		d.rows(x.Rows(), func(worker, first, last int) { rows(worker, first, last, accumulating) })
	}}
}

func alphaOf(alpha *engine.Tensor, n int) float32 {
	if alpha == nil {
		return 0
	}
	return alpha.Float32s()[n]
}

// floatRow is row n of t in float32: itself, or in buffer.
func floatRow(t *engine.Tensor, n int, buffer []float32) []float32 {
	if t.DType != engine.BF16 {
		return rowOf[float32](t, n)
	}
	for i, v := range rowOf[uint16](t, n) {
		buffer[i] = value(v)
	}
	return buffer
}

// setRow writes row n of t.
func setRow(t *engine.Tensor, n int, x []float32) {
	if t.DType != engine.BF16 {
		copy(rowOf[float32](t, n), x)
		return
	}
	row := rowOf[uint16](t, n)
	for i, v := range x {
		set(&row[i], v)
	}
}
