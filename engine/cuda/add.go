package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() { engine.Register(compilers, (*Device).add) }

func (d *Device) add(in *engine.Instr, _ op.AddOp) (engine.Kernel, error) {
	a, b, y := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) { c.launch(kernels.Add(at(y), at(a), at(b), a.Len())) }), nil
}
