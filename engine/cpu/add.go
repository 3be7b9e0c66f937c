package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() { engine.Register(kernels, newAdd) }

// newAdd adds values that nothing could accumulate in place; both are float32,
// as is everything on the residual stream.
func newAdd(d *Device, in *engine.Instr, _ op.AddOp) (engine.Kernel, error) {
	return newRowsKernel(d, in.Out[0].Rows(), func(_, first, last int) {
		for n := first; n < last; n++ {
			add(rowOf[float32](in.Out[0], n), rowOf[float32](in.In[0], n), rowOf[float32](in.In[1], n))
		}
	}), nil
}
