package cuda

import (
	"fmt"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).qkNorm)
	engine.Register(compilers, (*Device).qkNormGrad)
}

func (d *Device) qkNorm(in *engine.Instr, o op.QKNormOp) (engine.Kernel, error) {
	x := in.In[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.QKNorm(at(in.Out[0]), at(x), at(in.In[1]), at(in.In[2]), x.Rows(), o.Heads, o.KVHeads, o.HeadDim, o.Eps, x.DType))
	}), nil
}

func (d *Device) qkNormGrad(in *engine.Instr, o op.QKNormGradOp) (engine.Kernel, error) {
	dy, x := in.In[0], in.In[1]
	switch {
	case dy.DType != x.DType:
		return nil, fmt.Errorf("the gradient is %v and the queries %v: the kernel wants one type", dy.DType, x.DType)
	case o.HeadDim > kernels.MostQKHeadDim:
		return nil, fmt.Errorf("heads of %d are larger than the kernel's %d", o.HeadDim, kernels.MostQKHeadDim)
	}
	var l layout
	scratch := l.take(kernels.QKNormGradientScratch(x.Rows(), o.HeadDim))
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		c.launch(kernels.QKNormGradient(at(in.Out[0]), at(in.Out[1]), at(in.Out[2]), at(dy), at(x), at(in.In[2]), at(in.In[3]), c.piece(scratch),
			x.Rows(), o.Heads, o.KVHeads, o.HeadDim, o.Eps, x.DType, c.adds(in, 1), c.adds(in, 2)))
	}}, nil
}
