package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).swiglu)
	engine.Register(compilers, (*Device).swigluGrad)
}

func (d *Device) swiglu(in *engine.Instr, _ op.SwiGLUOp) (engine.Kernel, error) {
	x, h := in.In[0], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.SwiGLU(at(h), at(x), h.Rows(), h.Cols(), x.DType))
	}), nil
}

func (d *Device) swigluGrad(in *engine.Instr, _ op.SwiGLUGradOp) (engine.Kernel, error) {
	x, dh, dx := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.SwiGLUGradient(at(dx), at(x), at(dh), dh.Rows(), dh.Cols(), x.DType))
	}), nil
}
