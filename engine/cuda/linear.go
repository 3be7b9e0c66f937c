package cuda

import (
	"fmt"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).linear)
	engine.Register(compilers, (*Device).linearGradInput)
	engine.Register(compilers, (*Device).linearGradWeight)
}

// operand is a matrix as a matmul reads it: itself, or rounded to bf16 in
// scratch memory.
type operand struct {
	t       *engine.Tensor
	rounded bool
	piece   kernels.Pointer
}

// operandOf says how a matmul in type t reads x.
func operandOf(x *engine.Tensor, t engine.DType, l *layout) operand {
	o := operand{t: x}
	if t == engine.BF16 && x.DType == engine.F32 {
		o.rounded, o.piece = true, l.take(2*int64(x.Len()))
	}
	return o
}

// read enqueues the rounding and returns the address.
func (o operand) read(c *commands) kernels.Pointer {
	if !o.rounded {
		return at(o.t)
	}
	p := c.piece(o.piece)
	c.launch(kernels.Round(p, at(o.t), o.t.Len()))
	return p
}

// oneMatrix is the first of matrices that lie end to end, with the rows of all.
func oneMatrix(ts []*engine.Tensor) (first *engine.Tensor, rows int, err error) {
	if err := engine.EndToEnd(ts...); err != nil {
		return nil, 0, err
	}
	for _, t := range ts {
		rows += t.Rows()
	}
	return ts[0], rows, nil
}

// weightsFor is the weights' matrix in the type that matmuls with x read: the
// bf16 copies where there are any.
func weightsFor(ts []*engine.Tensor, x *engine.Tensor) (first *engine.Tensor, rows int, err error) {
	read := make([]*engine.Tensor, len(ts))
	for i, t := range ts {
		if read[i] = t.As(engine.BF16); read[i] != nil {
			continue
		}
		if x.DType == engine.BF16 {
			return nil, 0, fmt.Errorf("weight %s is %v and has no bf16 copy", t.Name, t.DType)
		}
		read[i] = t
	}
	return oneMatrix(read)
}

// alignment is the largest power of two that divides the addresses of a
// matmul's operands and the pitch of their rows, at most 256. Values in the
// arena are multiples of 64, parameters of their element's size.
func alignment(bytes ...int64) int {
	n := int64(256)
	for _, b := range bytes {
		for b%n != 0 {
			n /= 2
		}
	}
	return int(n)
}

// pitch is what alignment looks at of a row-major matrix of the given row length.
func pitch(cols int, t engine.DType) int64 { return int64(cols) * t.Size() }

func offset(t *engine.Tensor) int64 { return int64(at(t)) }

// arenaAlignment is what the engine promises for the address of a value.
const arenaAlignment = 64

// linear is y[N,O] = x[N,C]·wᵀ.
func (d *Device) linear(in *engine.Instr, _ op.LinearOp) (engine.Kernel, error) {
	x, y := in.In[0], in.Out[0]
	w, o, err := weightsFor(in.In[1:], in.In[0])
	if err != nil {
		return nil, err
	}
	var l layout
	a := operandOf(x, w.DType, &l)
	plan, err := d.plan(Product{
		M: x.Rows(), N: o, K: x.Cols(), AB: w.DType, C: y.DType, TransB: true, LDA: x.Cols(), LDB: x.Cols(), LDC: o,
		Align: alignment(arenaAlignment, offset(w)),
	})
	if err != nil {
		return nil, err
	}
	work := l.take(plan.Workspace())
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		c.multiply(plan, a.read(c), at(w), at(y), c.piece(work), c.adds(in, 0))
	}}, nil
}

// linearGradInput is dx[N,C] = dy[N,O]·w.
func (d *Device) linearGradInput(in *engine.Instr, _ op.LinearGradInputOp) (engine.Kernel, error) {
	dy, dx := in.In[0], in.Out[0]
	w, o, err := weightsFor(in.In[1:], in.In[0])
	if err != nil {
		return nil, err
	}
	var l layout
	a := operandOf(dy, w.DType, &l)
	plan, err := d.plan(Product{
		M: dy.Rows(), N: dx.Cols(), K: o, AB: w.DType, C: dx.DType, LDA: o, LDB: dx.Cols(), LDC: dx.Cols(),
		Align: alignment(arenaAlignment, offset(w)),
	})
	if err != nil {
		return nil, err
	}
	work := l.take(plan.Workspace())
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		c.multiply(plan, a.read(c), at(w), at(dx), c.piece(work), c.adds(in, 0))
	}}, nil
}

// linearGradWeight is dw[O,C] = dyᵀ·x, of all weights of the matmul at once. Weights whose
// gradient nobody reads part it.
func (d *Device) linearGradWeight(in *engine.Instr, o op.LinearGradWeightOp) (engine.Kernel, error) {
	dy, x := in.In[0], in.In[1]
	var l layout
	a, b := operandOf(dy, x.DType, &l), operandOf(x, dy.DType, &l)
	t := engine.F32
	if x.DType == engine.BF16 || dy.DType == engine.BF16 {
		t = engine.BF16
	}
	type run struct {
		plan         Plan
		column, part int
	}
	var runs []run
	var workspace int64
	for first, column := 0, 0; first < len(in.Out); {
		if in.Out[first] == nil {
			column, first = column+o.Rows[first], first+1
			continue
		}
		last := first
		for last < len(in.Out) && in.Out[last] != nil {
			last++
		}
		dw, rows, err := oneMatrix(in.Out[first:last])
		if err != nil {
			return nil, err
		}
		plan, err := d.plan(Product{
			M: rows, N: x.Cols(), K: x.Rows(), AB: t, C: engine.F32, TransA: true, LDA: dy.Cols(), LDB: x.Cols(), LDC: x.Cols(),
			Align: alignment(arenaAlignment, offset(dw), pitch(column, t)),
		})
		if err != nil {
			return nil, err
		}
		runs = append(runs, run{plan, column, first})
		workspace = max(workspace, plan.Workspace())
		column, first = column+rows, last
	}
	work := l.take(workspace)
	return &kernel{d: d, scratch: l.taken(), list: func(c *commands) {
		left, right := a.read(c), b.read(c)
		for _, r := range runs {
			c.multiply(r.plan, left+kernels.Pointer(pitch(r.column, t)), right, at(in.Out[r.part]), c.piece(work), c.adds(in, r.part))
		}
	}}, nil
}

// plan asks the driver on the device's thread.
func (d *Device) plan(p Product) (plan Plan, err error) {
	d.Do(func() { plan, err = d.driver.Plan(p) })
	return plan, err
}
