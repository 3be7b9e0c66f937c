package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
)

// The matmuls of a linear layer on package bf16. Weights are packed when they
// are used, straight from float32: that reads them once, which is little beside
// the matmul, and keeps no second copy of the model in memory.

// bf16Rows is the number of rows of a result that a worker takes at a time: few
// enough that the last pieces of work come out even, enough that a panel of the
// other side is used several times while it is in cache.
const bf16Rows = 48

// bf16Depth is the largest number of rows summed in one go for the gradient of
// a weight, so that a packed panel and a strip stay in the second-level cache.
const bf16Depth = 1024

// bf16Columns is the number of columns of a left side that are paired together.
const bf16Columns = 96

// rowProduct is c[m,n] = a[m,k]·w for a weight in float32 or bf16, stored [k,n] or, as
// a linear layer's forward pass has it, [n,k].
type rowProduct struct {
	d          *Device
	m, n, k    int
	transposed bool
}

func (p rowProduct) scratch() int64 { return aligned(2 * int64(bf16.PackedLen(p.k, p.n))) }

// pack writes the weight as panels, split over the workers.
func (p rowProduct) pack(dst unsafe.Pointer, of *engine.Tensor) {
	const panels = 4
	w, t := of.Pointer(), of.DType
	pack, transposed := bf16.RoundPack, bf16.RoundPackTransposed
	if t == engine.BF16 {
		pack, transposed = bf16.Pack, bf16.PackTransposed
	}
	columns := panels * bf16.Cols
	p.d.run(ceil(p.n, columns), func(_, i int) {
		j := i * columns
		n := min(columns, p.n-j)
		at := offset(dst, bf16.PackedLen(p.k, j), engine.BF16)
		if p.transposed {
			transposed(at, offset(w, j*p.k, t), p.k, p.k, n)
		} else {
			pack(at, offset(w, j, t), p.n, p.k, n)
		}
	})
}

func (p rowProduct) run(a, packed, c unsafe.Pointer, t engine.DType, s bf16.Store) {
	p.d.pieces(p.m, bf16Rows, func(_, r, rows int) {
		bf16.Product(rows, p.n, p.k, offset(a, r*p.k, engine.BF16), p.k, packed, p.k,
			offset(c, r*p.n, t), p.n, s)
	})
}

// storeAs is how package bf16 stores a result.
func storeAs(t engine.DType, adds bool) bf16.Store {
	switch {
	case t == engine.BF16:
		return bf16.Round
	case adds:
		return bf16.Add
	}
	return bf16.Set
}

// linearBF16 is y[N,O] = x[N,C]·wᵀ.
type linearBF16 struct {
	rowProduct
	in *engine.Instr
}

func newLinearBF16(d *Device, in *engine.Instr, outputs int) engine.Kernel {
	x := in.In[0]
	return &linearBF16{rowProduct{d: d, m: x.Rows(), n: outputs, k: x.Cols(), transposed: true}, in}
}

func (k *linearBF16) Scratch() int64 { return k.scratch() }

func (k *linearBF16) Run(scratch unsafe.Pointer, accumulating bool) {
	y := k.in.Out[0]
	k.pack(scratch, k.in.In[1])
	k.run(k.in.In[0].Pointer(), scratch, y.Pointer(), y.DType, storeAs(y.DType, k.in.Store[0].Adds(accumulating)))
}

// linearGradInputBF16 is dx[N,C] = dy[N,O]·w. Rows of a float32 dy (the gradient
// of the residual stream) are rounded by the worker that multiplies them.
type linearGradInputBF16 struct {
	rowProduct
	in *engine.Instr
}

func newLinearGradInputBF16(d *Device, in *engine.Instr) engine.Kernel {
	dy, dx := in.In[0], in.Out[0]
	return &linearGradInputBF16{rowProduct{d: d, m: dy.Rows(), n: dx.Cols(), k: dy.Cols()}, in}
}

// rounded is the size of a worker's rounded rows.
func (k *linearGradInputBF16) rounded() int64 {
	if k.in.In[0].DType == engine.BF16 {
		return 0
	}
	return aligned(2 * bf16Rows * int64(k.k))
}

func (k *linearGradInputBF16) Scratch() int64 {
	return k.scratch() + k.rounded()*int64(k.d.Workers())
}

func (k *linearGradInputBF16) Run(scratch unsafe.Pointer, accumulating bool) {
	dy, dx := k.in.In[0], k.in.Out[0]
	store := storeAs(dx.DType, k.in.Store[0].Adds(accumulating))
	k.pack(scratch, k.in.In[1])
	if dy.DType == engine.BF16 {
		k.run(dy.Pointer(), scratch, dx.Pointer(), dx.DType, store)
		return
	}
	rows := dy.Float32s()
	k.d.pieces(k.m, bf16Rows, func(worker, r, n int) {
		own := matrixAt[uint16](scratch, k.scratch()+int64(worker)*k.rounded(), n*k.k)
		convert(own, rows[r*k.k:(r+n)*k.k])
		bf16.Product(n, k.n, k.k, pointer(own), k.k, scratch, k.k, offset(dx.Pointer(), r*k.n, dx.DType), k.n, store)
	})
}

// linearGradWeightBF16 is dw[O,C] = dyᵀ·x for all weights of the matmul. x is
// packed once, in pieces of bf16Depth tokens; each worker pairs and sums the
// columns of dy whose rows of dw it makes.
type linearGradWeightBF16 struct {
	d    *Device
	in   *engine.Instr
	runs []gradientRun
	// scratch: x packed, then each worker's paired columns
	packed, paired int64
}

func newLinearGradWeightBF16(d *Device, in *engine.Instr, runs []gradientRun) engine.Kernel {
	x := in.In[1]
	return &linearGradWeightBF16{
		d: d, in: in, runs: runs,
		packed: aligned(2 * int64(bf16.PackedLen(x.Rows(), x.Cols()))),
		paired: aligned(2 * int64(bf16.PairedLen(min(x.Rows(), bf16Depth), bf16Columns))),
	}
}

func (k *linearGradWeightBF16) Scratch() int64 { return k.packed + k.paired*int64(k.d.Workers()) }

func (k *linearGradWeightBF16) Run(scratch unsafe.Pointer, accumulating bool) {
	dy, x := k.in.In[0], k.in.In[1]
	k.d.packRows(scratch, x.Pointer(), x.Rows(), x.Cols())
	for _, r := range k.runs {
		g := weightGradient{
			n: x.Rows(), o: r.rows, c: x.Cols(), dy: offset(dy.Pointer(), r.column, dy.DType), stride: dy.Cols(), typ: dy.DType,
			packed: scratch, dw: k.in.Out[r.part].Pointer(), adds: k.in.Store[r.part].Adds(accumulating),
		}
		k.d.run(ceil(g.o, bf16Columns), func(worker, i int) {
			g.rows(i*bf16Columns, unsafe.Add(scratch, k.packed+int64(worker)*k.paired))
		})
	}
}

// packRows packs x[n,c] in pieces of bf16Depth rows, split over the workers.
func (d *Device) packRows(dst, x unsafe.Pointer, n, c int) {
	const panels = 4
	columns := panels * bf16.Cols
	pieces, groups := ceil(n, bf16Depth), ceil(c, columns)
	d.run(pieces*groups, func(_, i int) {
		t, j := i/groups*bf16Depth, i%groups*columns
		depth := min(bf16Depth, n-t)
		at := bf16.PackedLen(t, c) + bf16.PackedLen(depth, j)
		bf16.Pack(offset(dst, at, engine.BF16), offset(x, t*c+j, engine.BF16), c, depth, min(columns, c-j))
	})
}

// weightGradient is dw[o,c] = dy[n,o]ᵀ·x[n,c] for a packed x.
type weightGradient struct {
	n, o, c        int
	dy, packed, dw unsafe.Pointer
	typ            engine.DType // of dy
	stride         int          // of a row of dy, in elements
	adds           bool
}

// rows makes rows first to first+bf16Columns of dw.
func (g weightGradient) rows(first int, paired unsafe.Pointer) {
	m := min(bf16Columns, g.o-first)
	for t := 0; t < g.n; t += bf16Depth {
		depth := min(bf16Depth, g.n-t)
		dy := offset(g.dy, t*g.stride+first, g.typ)
		if g.typ == engine.BF16 {
			bf16.Pair(paired, dy, g.stride, depth, m)
		} else {
			bf16.RoundPair(paired, dy, g.stride, depth, m)
		}
		bf16.ProductPaired(m, g.c, depth, paired, offset(g.packed, bf16.PackedLen(t, g.c), engine.BF16), depth,
			offset(g.dw, first*g.c, engine.F32), g.c, storeAs(engine.F32, g.adds || t > 0))
	}
}
