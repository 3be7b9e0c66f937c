package cuda

import (
	"fmt"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).rmsnorm)
	engine.Register(compilers, (*Device).rmsnormGrad)
	engine.Register(compilers, (*Device).scale)
}

func (d *Device) rmsnorm(in *engine.Instr, o op.RMSNormOp) (engine.Kernel, error) {
	x, w := in.In[0], in.In[1]
	t := engine.F32
	for _, out := range in.Out[:2] {
		if out != nil {
			t = out.DType
		}
	}
	return d.plain(func(c *commands) {
		c.launch(kernels.RMSNorm(at(in.Out[0]), at(in.Out[1]), at(in.Out[2]), at(x), at(w), x.Rows(), x.Cols(), o.Eps, t))
	}), nil
}

func (d *Device) rmsnormGrad(in *engine.Instr, _ op.RMSNormGradOp) (engine.Kernel, error) {
	dy, xhat, r, w := in.In[0], in.In[1], in.In[2], in.In[3]
	if dy.DType != xhat.DType {
		return nil, fmt.Errorf("the gradient is %v and x̂ %v: the kernel wants one type", dy.DType, xhat.DType)
	}
	dx, dw := in.Out[0], in.Out[1]
	var l layout
	scratch := l.take(kernels.RMSNormGradientScratch(dy.Rows(), dy.Cols()))
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		c.launch(kernels.RMSNormGradient(at(dx), at(dw), at(dy), at(xhat), at(r), at(w), c.piece(scratch),
			dy.Rows(), dy.Cols(), dy.DType, c.adds(in, 0), c.adds(in, 1)))
	}}, nil
}

func (d *Device) scale(in *engine.Instr, _ op.ScaleOp) (engine.Kernel, error) {
	x, w, y := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.Scale(at(y), at(x), at(w), x.Rows(), x.Cols(), x.DType))
	}), nil
}
