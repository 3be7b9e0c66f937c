package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).relu)
	engine.Register(compilers, (*Device).reluGrad)
}

func (d *Device) relu(in *engine.Instr, _ op.ReLUOp) (engine.Kernel, error) {
	x, y := in.In[0], in.Out[0]
	return d.plain(func(c *commands) { c.launch(kernels.ReLU(at(y), at(x), x.Len(), x.DType)) }), nil
}

func (d *Device) reluGrad(in *engine.Instr, _ op.ReLUGradOp) (engine.Kernel, error) {
	x, dy, dx := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) { c.launch(kernels.ReLUGradient(at(dx), at(x), at(dy), x.Len(), x.DType)) }), nil
}
