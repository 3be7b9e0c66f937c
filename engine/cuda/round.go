package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() { engine.Register(compilers, (*Device).round) }

func (d *Device) round(in *engine.Instr, _ op.RoundOp) (engine.Kernel, error) {
	x, y := in.In[0], in.Out[0]
	return d.plain(func(c *commands) {
		if y.DType == engine.BF16 {
			c.launch(kernels.Round(at(y), at(x), x.Len()))
			return
		}
		c.enqueue = append(c.enqueue, func() error { return d.driver.Copy(at(y), at(x), x.Bytes()) })
	}), nil
}
