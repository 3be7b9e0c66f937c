package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newReLU)
	engine.Register(kernels, newReLUGrad)
}

func newReLU(d *Device, in *engine.Instr, _ op.ReLUOp) (engine.Kernel, error) {
	return byType(in.In[0], func(bool) { reluRows[float32](d, in) }, func(bool) { reluRows[uint16](d, in) }), nil
}

func reluRows[E elem](d *Device, in *engine.Instr) {
	x, y := in.In[0], in.Out[0]
	d.rows(x.Rows(), func(_, first, last int) {
		for n := first; n < last; n++ {
			out := rowOf[E](y, n)
			for i, v := range rowOf[E](x, n) {
				set(&out[i], max(value(v), 0))
			}
		}
	})
}

func newReLUGrad(d *Device, in *engine.Instr, _ op.ReLUGradOp) (engine.Kernel, error) {
	return byType(in.In[0], func(bool) { reluGradRows[float32](d, in) }, func(bool) { reluGradRows[uint16](d, in) }), nil
}

func reluGradRows[E elem](d *Device, in *engine.Instr) {
	x, dy, dx := in.In[0], in.In[1], in.Out[0]
	d.rows(x.Rows(), func(_, first, last int) {
		for n := first; n < last; n++ {
			g, out := rowOf[E](dy, n), rowOf[E](dx, n)
			for i, v := range rowOf[E](x, n) {
				out[i] = 0
				if value(v) > 0 {
					out[i] = g[i]
				}
			}
		}
	})
}
