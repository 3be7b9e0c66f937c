package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newDropout)
	engine.Register(kernels, newDropoutGrad)
}

func newDropout(d *Device, in *engine.Instr, o op.DropoutOp) (engine.Kernel, error) {
	x, key, y := in.In[0], in.In[1], in.Out[0]
	buffers := d.buffers(2, x.Cols())
	return newRowsKernel(d, x.Rows(), func(worker, first, last int) {
		for n := first; n < last; n++ {
			left := buffers[worker][1]
			op.Drop(o.Row(key.Ids(), n), left, floatRow(x, n, buffers[worker][0]))
			setRow(y, n, left)
		}
	}), nil
}

func newDropoutGrad(d *Device, in *engine.Instr, g op.DropoutGradOp) (engine.Kernel, error) {
	o, dy, key, dx := op.DropoutOp(g), in.In[0], in.In[1], in.Out[0]
	buffers := d.buffers(2, dy.Cols())
	return rowKernel{run: func(accumulating bool) {
		adds := in.Store[0].Adds(accumulating)
		d.rows(dy.Rows(), func(worker, first, last int) {
			for n := first; n < last; n++ {
				left := buffers[worker][1]
				op.Drop(o.Row(key.Ids(), n), left, floatRow(dy, n, buffers[worker][0]))
				if adds {
					add(rowOf[float32](dx, n), rowOf[float32](dx, n), left)
				} else {
					setRow(dx, n, left)
				}
			}
		})
	}}, nil
}
