package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).lora)
	engine.Register(compilers, (*Device).loraGradInput)
	engine.Register(compilers, (*Device).loraGradWeight)
}

// adapterMatmul is one of an adapter: of the columns of its operands that are the adapter's.
type adapterMatmul struct {
	plan Plan
	a, c kernels.Pointer // offsets in bytes of its first column
	part int             // the adapter
}

// adapterMatmuls plans a matmul for each adapter that wants one.
func (d *Device) adapterMatmuls(n int, l *layout, of func(j int) (p Product, a, c int, wanted bool)) (list []adapterMatmul, work kernels.Pointer, err error) {
	var workspace int64
	for j := range n {
		p, a, c, wanted := of(j)
		if !wanted {
			continue
		}
		m := adapterMatmul{a: kernels.Pointer(pitch(a, p.AB)), c: kernels.Pointer(pitch(c, p.C)), part: j}
		p.Align = alignment(int64(p.Align), int64(m.a), int64(m.c))
		if m.plan, err = d.plan(p); err != nil {
			return nil, 0, err
		}
		workspace = max(workspace, m.plan.Workspace())
		list = append(list, m)
	}
	return list, l.take(workspace), nil
}

// adapterWeights are B of each adapter in the type that matmuls with x read.
func adapterWeights(bs []*engine.Tensor, x *engine.Tensor) (list []*engine.Tensor, err error) {
	for i := range bs {
		b, _, err := weightsFor(bs[i:i+1], x)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}

// lora is y[N,Oⱼ] += s·uⱼ·Bⱼᵀ.
func (d *Device) lora(in *engine.Instr, o op.LoRAOp) (engine.Kernel, error) {
	from, u, y := in.In[0], in.In[1], in.Out[0]
	bs, err := adapterWeights(in.In[2:], u)
	if err != nil {
		return nil, err
	}
	var l layout
	left := operandOf(u, bs[0].DType, &l)
	r := bs[0].Cols()
	list, work, err := d.adapterMatmuls(len(bs), &l, func(j int) (p Product, a, c int, wanted bool) {
		return Product{
			M: y.Rows(), N: bs[j].Rows(), K: r, AB: bs[j].DType, C: y.DType, TransB: true, LDA: u.Cols(), LDB: r, LDC: y.Cols(),
			Align: alignment(arenaAlignment, offset(bs[j])), Scale: float32(o.Scale),
		}, j * r, o.Columns[j], true
	})
	if err != nil {
		return nil, err
	}
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		if at(from) != at(y) {
			c.copy(at(y), at(from), y.Bytes())
		}
		x := left.read(c)
		for _, m := range list {
			c.multiply(m.plan, x+m.a, at(bs[m.part]), at(y)+m.c, c.piece(work), true)
		}
	}}, nil
}

// loraGradInput is duⱼ[N,r] = s·dyⱼ·Bⱼ.
func (d *Device) loraGradInput(in *engine.Instr, o op.LoRAGradInputOp) (engine.Kernel, error) {
	dy, du := in.In[0], in.Out[0]
	bs, err := adapterWeights(in.In[1:], dy)
	if err != nil {
		return nil, err
	}
	var l layout
	left := operandOf(dy, bs[0].DType, &l)
	r := bs[0].Cols()
	list, work, err := d.adapterMatmuls(len(bs), &l, func(j int) (p Product, a, c int, wanted bool) {
		return Product{
			M: dy.Rows(), N: r, K: bs[j].Rows(), AB: bs[j].DType, C: du.DType, LDA: dy.Cols(), LDB: r, LDC: du.Cols(),
			Align: alignment(arenaAlignment, offset(bs[j])), Scale: float32(o.Scale),
		}, o.Columns[j], j * r, true
	})
	if err != nil {
		return nil, err
	}
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		x := left.read(c)
		for _, m := range list {
			c.multiply(m.plan, x+m.a, at(bs[m.part]), at(du)+m.c, c.piece(work), false)
		}
	}}, nil
}

// loraGradWeight is dBⱼ[Oⱼ,r] = s·dyⱼᵀ·uⱼ.
func (d *Device) loraGradWeight(in *engine.Instr, o op.LoRAGradWeightOp) (engine.Kernel, error) {
	dy, u := in.In[0], in.In[1]
	var l layout
	left, right := operandOf(dy, u.DType, &l), operandOf(u, dy.DType, &l)
	t := engine.F32
	if u.DType == engine.BF16 || dy.DType == engine.BF16 {
		t = engine.BF16
	}
	r := u.Cols() / len(o.Rows)
	list, work, err := d.adapterMatmuls(len(o.Rows), &l, func(j int) (p Product, a, c int, wanted bool) {
		if in.Out[j] == nil {
			return p, 0, 0, false
		}
		return Product{
			M: o.Rows[j], N: r, K: dy.Rows(), AB: t, C: engine.F32, TransA: true, LDA: dy.Cols(), LDB: u.Cols(), LDC: r,
			Align: alignment(arenaAlignment, offset(in.Out[j]), pitch(j*r, t)), Scale: float32(o.Scale),
		}, o.Columns[j], 0, true
	})
	if err != nil {
		return nil, err
	}
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		x, y := left.read(c), right.read(c)
		for _, m := range list {
			c.multiply(m.plan, x+m.a, y+kernels.Pointer(pitch(m.part*r, t)), at(in.Out[m.part]), c.piece(work), c.adds(in, m.part))
		}
	}}, nil
}
