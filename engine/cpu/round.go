package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() { engine.Register(kernels, newRound) }

func newRound(d *Device, in *engine.Instr, _ op.RoundOp) (engine.Kernel, error) {
	x, y := in.In[0], in.Out[0]
	return byType(y,
		func(bool) {
			d.rows(x.Rows(), func(_, first, last int) {
				c := x.Cols()
				copy(y.Float32s()[first*c:last*c], x.Float32s()[first*c:last*c])
			})
		},
		func(bool) { d.narrow(y.BFloat16s(), x.Float32s()) }), nil
}
