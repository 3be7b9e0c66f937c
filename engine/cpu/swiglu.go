package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newSwiGLU)
	engine.Register(kernels, newSwiGLUGrad)
}

func newSwiGLU(d *Device, in *engine.Instr, _ op.SwiGLUOp) (engine.Kernel, error) {
	x, h := in.In[0], in.Out[0]
	f := h.Cols()
	rows := func(_, first, last int) {
		for n := first; n < last; n++ {
			row := rowOf[float32](x, n)
			swiglu(rowOf[float32](h, n), row[:f], row[f:])
		}
	}
	if x.DType == engine.BF16 {
		rows = func(_, first, last int) {
			bf16.SwiGLU(columnsAt(h, first, 0), columnsAt(x, first, 0), last-first, f)
		}
	}
	return newRowsKernel(d, x.Rows(), rows), nil
}

func newSwiGLUGrad(d *Device, in *engine.Instr, _ op.SwiGLUGradOp) (engine.Kernel, error) {
	return byType(in.In[0], func(bool) { swigluGradRows(d, in) }, func(bool) { swigluGradBF16(d, in) }), nil
}

func swigluGradRows(d *Device, in *engine.Instr) {
	x, dh, dx := in.In[0], in.In[1], in.Out[0]
	f := dh.Cols()
	d.rows(x.Rows(), func(_, first, last int) {
		for n := first; n < last; n++ {
			row, out := rowOf[float32](x, n), rowOf[float32](dx, n)
			swigluGrad(out[:f], out[f:], row[:f], row[f:], rowOf[float32](dh, n))
		}
	})
}

func swigluGradBF16(d *Device, in *engine.Instr) {
	x, dh, dx := in.In[0], in.In[1], in.Out[0]
	f := dh.Cols()
	d.rows(x.Rows(), func(_, first, last int) {
		bf16.SwiGLUGrad(columnsAt(dx, first, 0), columnsAt(x, first, 0), columnsAt(dh, first, 0), last-first, f)
	})
}
