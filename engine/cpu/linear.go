package cpu

import (
	"fmt"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/onednn"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newLinear)
	engine.Register(kernels, newLinearGradInput)
	engine.Register(kernels, newLinearGradWeight)
}

// linear is y[N,O] = x[N,C]·wᵀ.
type linear struct {
	d        *Device
	in       *engine.Instr
	set, add *tiled
}

// weightRows are the rows of all weights of a matmul, which reads them in type t
// as one matrix, from the first on: they must lie end to end.
func weightRows(ts []*engine.Tensor, t engine.DType) (int, error) {
	rows, read := 0, make([]*engine.Tensor, len(ts))
	for i, w := range ts {
		if read[i] = w.As(t); read[i] == nil {
			return 0, fmt.Errorf("weight %s is %v and has no %v copy", w.Name, w.DType, t)
		}
		rows += w.Rows()
	}
	if err := engine.EndToEnd(read...); err != nil {
		return 0, fmt.Errorf("weights: %w", err)
	}
	return rows, nil
}

// weightType is the type in which a matmul with operands of type t reads its
// weight: package bf16 rounds float32 itself, where there is float32.
func (d *Device) weightType(t engine.DType, w *engine.Tensor) engine.DType {
	if d.pairs && w.DType == engine.F32 {
		return engine.F32
	}
	return t
}

// both makes a matmul that replaces its result, and one that adds to it where
// a store mode can ask for it.
func (d *Device) both(desc onednn.Desc, store engine.Store, tile func(onednn.Desc) (*tiled, error)) (set, add *tiled, err error) {
	if store != engine.Accumulate {
		if set, err = tile(desc); err != nil {
			return nil, nil, err
		}
	}
	if store != engine.Overwrite {
		desc.Accumulate = true
		if add, err = tile(desc); err != nil {
			return nil, nil, err
		}
	}
	return set, add, nil
}

// choose returns the matmul for a run.
func choose(set, add *tiled, store engine.Store, accumulating bool) *tiled {
	if store.Adds(accumulating) {
		return add
	}
	return set
}

// scratchOf is the memory that either matmul needs.
func scratchOf(d *Device, products ...*tiled) int64 {
	var n int64
	for _, p := range products {
		if p != nil {
			n = max(n, p.scratch(d))
		}
	}
	return n
}

func newLinear(d *Device, in *engine.Instr, _ op.LinearOp) (engine.Kernel, error) {
	x, y := in.In[0], in.Out[0]
	if in.In[1].Packed() {
		return newPackedLinear(d, in)
	}
	o, err := weightRows(in.In[1:], d.weightType(x.DType, in.In[1]))
	if err != nil {
		return nil, err
	}
	if x.DType == engine.BF16 && d.pairs {
		return newLinearBF16(d, in, o), nil
	}
	desc := onednn.Desc{
		M: x.Rows(), N: o, K: x.Cols(), TransB: true,
		A: elementType(x.DType), B: elementType(x.DType), C: elementType(y.DType),
		LDA: x.Cols(), LDB: x.Cols(), LDC: o,
	}
	k := &linear{d: d, in: in}
	k.set, k.add, err = d.both(desc, in.Store[0], d.newTiled)
	return k, err
}

func (k *linear) Scratch() int64 { return scratchOf(k.d, k.set, k.add) }

func (k *linear) Run(scratch unsafe.Pointer, accumulating bool) {
	x := k.in.In[0]
	w := k.in.In[1].As(x.DType)
	p := choose(k.set, k.add, k.in.Store[0], accumulating)
	p.run(k.d, x.Pointer(), w.Pointer(), k.in.Out[0].Pointer(), scratch)
}

// linearGradInput is dx[N,C] = dy[N,O]·w. A float32 dy (the gradient of the
// residual stream) is rounded first when the result is bf16.
type linearGradInput struct {
	d        *Device
	in       *engine.Instr
	round    rounding
	set, add *tiled
}

func newLinearGradInput(d *Device, in *engine.Instr, _ op.LinearGradInputOp) (engine.Kernel, error) {
	dy, dx := in.In[0], in.Out[0]
	t := dx.DType
	if dy.DType == engine.BF16 {
		t = engine.BF16
	}
	o, err := weightRows(in.In[1:], d.weightType(t, in.In[1]))
	if err != nil {
		return nil, err
	}
	if t == engine.BF16 && d.pairs {
		return newLinearGradInputBF16(d, in), nil
	}
	desc := onednn.Desc{
		M: dy.Rows(), N: dx.Cols(), K: o,
		A: elementType(t), B: elementType(t), C: elementType(dx.DType),
		LDA: o, LDB: dx.Cols(), LDC: dx.Cols(),
	}
	k := &linearGradInput{d: d, in: in, round: newRounding(d, dy, t)}
	k.set, k.add, err = d.both(desc, in.Store[0], d.newTiled)
	return k, err
}

func (k *linearGradInput) Scratch() int64 { return k.round.bytes + scratchOf(k.d, k.set, k.add) }

func (k *linearGradInput) Run(scratch unsafe.Pointer, accumulating bool) {
	dy, scratch := k.round.run(scratch)
	w := k.in.In[1].As(k.round.to)
	p := choose(k.set, k.add, k.in.Store[0], accumulating)
	p.run(k.d, dy, w.Pointer(), k.in.Out[0].Pointer(), scratch)
}

// linearGradWeight is dw[O,C] = dyᵀ·x, in float32, for all weights of the
// matmul at once. Workers share its rows, never the sum over tokens. A weight whose
// gradient nobody reads parts the matmul.
type linearGradWeight struct {
	d     *Device
	in    *engine.Instr
	round rounding
	runs  []gradientRun
}

// gradientRun makes the gradients of some neighbouring weights.
type gradientRun struct {
	column   int // of dy, the first of theirs
	part     int // the first of theirs
	rows     int
	set, add *tiled
}

// gradientRuns are the results of a matmul's gradient that are wanted, in runs of weights
// side by side; each is one matrix.
func gradientRuns(in *engine.Instr, rows []int) (runs []gradientRun, err error) {
	column, gap := 0, true
	for i, dw := range in.Out {
		switch {
		case dw == nil:
			gap = true
		case gap:
			runs, gap = append(runs, gradientRun{column: column, part: i, rows: rows[i]}), false
		default:
			if err := engine.EndToEnd(in.Out[i-1], dw); err != nil {
				return nil, fmt.Errorf("gradients of weights: %w", err)
			}
			runs[len(runs)-1].rows += rows[i]
		}
		column += rows[i]
	}
	return runs, nil
}

func newLinearGradWeight(d *Device, in *engine.Instr, o op.LinearGradWeightOp) (engine.Kernel, error) {
	dy, x := in.In[0], in.In[1]
	runs, err := gradientRuns(in, o.Rows)
	if err != nil {
		return nil, err
	}
	if x.DType == engine.BF16 && d.pairs {
		return newLinearGradWeightBF16(d, in, runs), nil
	}
	k := &linearGradWeight{d: d, in: in, round: newRounding(d, dy, x.DType), runs: runs}
	for i := range k.runs {
		r := &k.runs[i]
		desc := onednn.Desc{
			M: r.rows, N: x.Cols(), K: x.Rows(), TransA: true,
			A: elementType(x.DType), B: elementType(x.DType), C: onednn.F32,
			LDA: dy.Cols(), LDB: x.Cols(), LDC: x.Cols(),
		}
		if r.set, r.add, err = d.both(desc, in.Store[r.part], d.newWeightTiles); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// newWeightTiles gives each worker the same number of tiles of rows.
func (d *Device) newWeightTiles(desc onednn.Desc) (*tiled, error) {
	pieces := d.Workers() * ceil(desc.M, d.Workers()*1024)
	tm := min(desc.M, ceil(ceil(desc.M, pieces), 16)*16)
	return d.newTiles(desc, tm, desc.N)
}

func (k *linearGradWeight) Scratch() int64 {
	var n int64
	for _, r := range k.runs {
		n = max(n, scratchOf(k.d, r.set, r.add))
	}
	return k.round.bytes + n
}

func (k *linearGradWeight) Run(scratch unsafe.Pointer, accumulating bool) {
	dy, scratch := k.round.run(scratch)
	for _, r := range k.runs {
		p := choose(r.set, r.add, k.in.Store[r.part], accumulating)
		p.run(k.d, offset(dy, r.column, k.round.to), k.in.In[1].Pointer(), k.in.Out[r.part].Pointer(), scratch)
	}
}

// rounding makes a bf16 copy of a float32 operand in scratch memory; it does
// nothing where the type is right.
type rounding struct {
	d     *Device
	t     *engine.Tensor
	to    engine.DType
	bytes int64
}

func newRounding(d *Device, t *engine.Tensor, to engine.DType) rounding {
	r := rounding{d: d, t: t, to: to}
	if t.DType == engine.F32 && to == engine.BF16 {
		r.bytes = aligned(2 * int64(t.Len()))
	}
	return r
}

// run returns the operand and the rest of the scratch memory.
func (r rounding) run(scratch unsafe.Pointer) (operand, rest unsafe.Pointer) {
	if r.bytes == 0 {
		return r.t.Pointer(), scratch
	}
	r.d.narrow(unsafe.Slice((*uint16)(scratch), r.t.Len()), r.t.Float32s())
	return scratch, unsafe.Add(scratch, r.bytes)
}

// narrow rounds a large array, split over the workers.
func (d *Device) narrow(dst []uint16, src []float32) {
	const piece = 1 << 15
	d.run(ceil(len(src), piece), func(_, i int) {
		first, last := i*piece, min((i+1)*piece, len(src))
		convert(dst[first:last], src[first:last])
	})
}
