package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).embedding)
	engine.Register(compilers, (*Device).embeddingGrad)
}

func (d *Device) embedding(in *engine.Instr, _ op.EmbeddingOp) (engine.Kernel, error) {
	w, ids, x := in.In[0], in.In[1], in.Out[0]
	return d.plain(func(c *commands) {
		c.launch(kernels.Embedding(at(x), at(w), at(ids), ids.Len(), w.Cols()))
	}), nil
}

func (d *Device) embeddingGrad(in *engine.Instr, _ op.EmbeddingGradOp) (engine.Kernel, error) {
	ids, dx, dw := in.In[0], in.In[1], in.Out[0]
	var l layout
	scratch := l.take(kernels.EmbeddingGradientScratch(ids.Len()))
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		c.launch(kernels.EmbeddingGradient(at(dw), at(ids), at(dx), c.piece(scratch), ids.Len(), dw.Cols(), dw.Rows(), c.adds(in, 0)))
	}}, nil
}
