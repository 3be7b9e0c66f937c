package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
)

func newSwiGLU(d *Device, in *engine.Instr) engine.Kernel {
	return byType(in.In[0], func(bool) { swigluRows(d, in) }, func(bool) { swigluBF16(d, in) })
}

func swigluRows(d *Device, in *engine.Instr) {
	x, h := in.In[0], in.Out[0]
	f := h.Cols()
	d.rows(x.Rows(), func(_, first, last int) {
		for n := first; n < last; n++ {
			row := rowOf[float32](x, n)
			swiglu(rowOf[float32](h, n), row[:f], row[f:])
		}
	})
}

func swigluBF16(d *Device, in *engine.Instr) {
	x, h := in.In[0], in.Out[0]
	f := h.Cols()
	d.rows(x.Rows(), func(_, first, last int) {
		bf16.SwiGLU(columnsAt(h, first, 0), columnsAt(x, first, 0), last-first, f)
	})
}

func newSwiGLUGrad(d *Device, in *engine.Instr) engine.Kernel {
	return byType(in.In[0], func(bool) { swigluGradRows(d, in) }, func(bool) { swigluGradBF16(d, in) })
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

func newReLU(d *Device, in *engine.Instr) engine.Kernel {
	return byType(in.In[0], func(bool) { reluRows[float32](d, in) }, func(bool) { reluRows[uint16](d, in) })
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

func newReLUGrad(d *Device, in *engine.Instr) engine.Kernel {
	return byType(in.In[0], func(bool) { reluGradRows[float32](d, in) }, func(bool) { reluGradRows[uint16](d, in) })
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

// newAdd adds values that nothing could accumulate in place; both are float32,
// as is everything on the residual stream.
func newAdd(d *Device, in *engine.Instr) engine.Kernel {
	return rowKernel{run: func(bool) {
		d.rows(in.Out[0].Rows(), func(_, first, last int) {
			for n := first; n < last; n++ {
				add(rowOf[float32](in.Out[0], n), rowOf[float32](in.In[0], n), rowOf[float32](in.In[1], n))
			}
		})
	}}
}
