package cuda

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).attention)
	engine.Register(compilers, (*Device).attentionGrad)
}

// angles are the cosines and sines of RoPE on the GPU, [T,D/2] each.
type angles struct{ cos, sin kernels.Pointer }

type angleKey struct {
	rope     op.RoPE
	seq, dim int
}

// anglesOf makes a table when it is first wanted. It stays until the device is
// closed: all layers share it.
func (d *Device) anglesOf(h op.Heads) angles {
	key := angleKey{h.RoPE, h.Seq, h.HeadDim}
	if a, ok := d.angles[key]; ok {
		return a
	}
	cos, sin := h.RoPE.Table(h.Seq, h.HeadDim)
	both := make([]float32, 0, 2*len(cos))
	for _, table := range [][]float64{cos, sin} {
		for _, x := range table {
			both = append(both, float32(x))
		}
	}
	mem, err := d.Alloc(4 * int64(len(both)))
	if err != nil {
		d.fail(err)
		return angles{}
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(both))), 4*len(both))
	d.fail(d.Upload(mem.Pointer(), bytes))
	p := address(mem.Pointer())
	a := angles{p, p + kernels.Pointer(4*len(cos))}
	d.angles[key] = a
	return a
}

func (d *Device) shape(h op.Heads, t engine.DType) kernels.Attention {
	return kernels.Attention{
		Batch: h.Batch, Seq: h.Seq, Heads: h.Heads, KVHeads: h.KVHeads, HeadDim: h.HeadDim, DType: t,
		Plain: d.opt.Plain || !d.driver.BF16(),
	}
}

// starts is the operand that says where documents begin, nil without one.
func starts(in *engine.Instr, i int) *engine.Tensor {
	if i < len(in.In) {
		return in.In[i]
	}
	return nil
}

func (d *Device) attention(in *engine.Instr, o op.AttentionOp) (engine.Kernel, error) {
	h := o.Heads
	qkv := in.In[0]
	a := d.shape(h, qkv.DType)
	if err := a.Check(); err != nil {
		return nil, err
	}
	var l layout
	scratch := l.take(a.Scratch())
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		t := d.anglesOf(h)
		c.launch(a.Forward(at(qkv), at(starts(in, 1)), t.cos, t.sin, at(in.Out[0]), at(in.Out[1]), c.piece(scratch)))
	}}, nil
}

func (d *Device) attentionGrad(in *engine.Instr, o op.AttentionGradOp) (engine.Kernel, error) {
	h := o.Heads
	qkv, out, lse, dout := in.In[0], in.In[1], in.In[2], in.In[3]
	a := d.shape(h, qkv.DType)
	if err := a.Check(); err != nil {
		return nil, err
	}
	var l layout
	scratch := l.take(a.GradientScratch())
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		t := d.anglesOf(h)
		c.launch(a.Backward(at(qkv), at(out), at(lse), at(dout), at(starts(in, 4)), t.cos, t.sin, at(in.Out[0]), c.piece(scratch)))
	}}, nil
}
