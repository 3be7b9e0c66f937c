package cuda

import (
	"fmt"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
)

func (d *Device) embedding(in *engine.Instr) *kernel {
	w, ids, x := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.Embedding(at(x), at(w), at(ids), ids.Len(), w.Cols()))
	})
}

func (d *Device) embeddingGrad(in *engine.Instr) *kernel {
	ids, dx, dw := in.In[0], in.In[1], in.Out[0]
	var l layout
	scratch := l.take(kernels.EmbeddingGradientScratch(ids.Len()))
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		c.launch(kernels.EmbeddingGradient(at(dw), at(ids), at(dx), c.piece(scratch), ids.Len(), dw.Cols(), dw.Rows(), c.adds(in, 0)))
	}}
}

func (d *Device) rmsnorm(in *engine.Instr, eps float64) *kernel {
	x, w := in.In[0], in.In[1]
	t := engine.F32
	for _, out := range in.Out[:2] {
		if out != nil {
			t = out.DType
		}
	}
	return d.plain(func(c *commands) {
		c.launch(kernels.RMSNorm(at(in.Out[0]), at(in.Out[1]), at(in.Out[2]), at(x), at(w), x.Rows(), x.Cols(), eps, t))
	})
}

func (d *Device) rmsnormGrad(in *engine.Instr) (*kernel, error) {
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

func (d *Device) scale(in *engine.Instr) *kernel {
	x, w, y := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.Scale(at(y), at(x), at(w), x.Rows(), x.Cols(), x.DType))
	})
}

func (d *Device) swiglu(in *engine.Instr) *kernel {
	x, h := in.In[0], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.SwiGLU(at(h), at(x), h.Rows(), h.Cols(), x.DType))
	})
}

func (d *Device) swigluGrad(in *engine.Instr) *kernel {
	x, dh, dx := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.SwiGLUGradient(at(dx), at(x), at(dh), dh.Rows(), dh.Cols(), x.DType))
	})
}

func (d *Device) relu(in *engine.Instr) *kernel {
	x, y := in.In[0], in.Out[0]
	return d.plain(func(c *commands) { c.launch(kernels.ReLU(at(y), at(x), x.Len(), x.DType)) })
}

func (d *Device) reluGrad(in *engine.Instr) *kernel {
	x, dy, dx := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) { c.launch(kernels.ReLUGradient(at(dx), at(x), at(dy), x.Len(), x.DType)) })
}

func (d *Device) add(in *engine.Instr) *kernel {
	a, b, y := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) { c.launch(kernels.Add(at(y), at(a), at(b), a.Len())) })
}
