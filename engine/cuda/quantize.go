package cuda

import (
	"fmt"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
	"mobilellm/internal/quant"
)

func init() {
	engine.Register(compilers, (*Device).quantize)
	engine.Register(compilers, (*Device).quantizeGrad)
	engine.Register(compilers, (*Device).learnedQuantize)
	engine.Register(compilers, (*Device).learnedQuantizeGrad)
}

func (d *Device) quantize(in *engine.Instr, o op.QuantizeOp) (engine.Kernel, error) {
	return d.rounded(in, nil, o.Rule)
}

func (d *Device) learnedQuantize(in *engine.Instr, o op.LearnedQuantizeOp) (engine.Kernel, error) {
	return d.rounded(in, in.In[1], o.Rule)
}

func (d *Device) rounded(in *engine.Instr, alpha *engine.Tensor, r quant.Rule) (engine.Kernel, error) {
	x, y := in.In[0], in.Out[0]
	if err := sameTypes(x, y); err != nil {
		return nil, err
	}
	return d.plain(func(c *commands) {
		c.launch(kernels.Quantize(at(y), at(x), at(alpha), x.Rows(), x.Cols(), r, x.DType))
	}), nil
}

func (d *Device) quantizeGrad(in *engine.Instr, o op.QuantizeGradOp) (engine.Kernel, error) {
	x, dy, dx := in.In[0], in.In[1], in.Out[0]
	if err := sameTypes(x, dy, dx); err != nil {
		return nil, err
	}
	return d.plain(func(c *commands) {
		c.launch(kernels.QuantizeGradient(at(dx), 0, at(x), at(dy), 0, x.Rows(), x.Cols(), o.Rule, x.DType, c.adds(in, 0), false))
	}), nil
}

func (d *Device) learnedQuantizeGrad(in *engine.Instr, o op.LearnedQuantizeGradOp) (engine.Kernel, error) {
	w, alpha, dy, dw, dalpha := in.In[0], in.In[1], in.In[2], in.Out[0], in.Out[1]
	if err := sameTypes(w, dy, dw); err != nil {
		return nil, err
	}
	return d.plain(func(c *commands) {
		c.launch(kernels.QuantizeGradient(at(dw), at(dalpha), at(w), at(dy), at(alpha), w.Rows(), w.Cols(), o.Rule, w.DType,
			c.adds(in, 0), dalpha != nil && c.adds(in, 1)))
	}), nil
}

// sameTypes reports operands of several types, for which there is no kernel.
func sameTypes(list ...*engine.Tensor) error {
	for _, t := range list {
		if t != nil && t.DType != list[0].DType {
			return fmt.Errorf("operands are %v and %v: the kernel wants one type", list[0].DType, t.DType)
		}
	}
	return nil
}
