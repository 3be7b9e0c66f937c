package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/onednn"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newLoRA)
	engine.Register(kernels, newLoRAGradInput)
	engine.Register(kernels, newLoRAGradWeight)
}

// The products of adapters are so narrow that reading y or dy is most of their work. They
// run in float32 on pieces of rows that stay in cache, in every precision: B is read as it
// is, and rows in bf16 are widened in scratch memory.

// loraRows is the number of rows of a piece.
const loraRows = 64

// rowPieces are matmuls of one shape on pieces of loraRows of so many rows.
type rowPieces struct {
	d          *Device
	n          int
	whole, end product // of loraRows rows, and of those that are left
}

// single is a matmul in float32.
func (d *Device) single(desc onednn.Desc) (product, error) {
	desc.A, desc.B, desc.C = onednn.F32, onednn.F32, onednn.F32
	return d.product(desc)
}

// newRowPieces makes the matmuls of desc, whose rows are a piece's.
func newRowPieces(d *Device, n int, desc onednn.Desc) (p rowPieces, err error) {
	p = rowPieces{d: d, n: n}
	desc.M = min(n, loraRows)
	if p.whole, err = d.single(desc); err != nil {
		return p, err
	}
	desc.M = n - (ceil(n, loraRows)-1)*loraRows
	p.end, err = d.single(desc)
	return p, err
}

// of is the matmul of the piece that ends at a row.
func (p rowPieces) of(last int) product {
	if last == p.n {
		return p.end
	}
	return p.whole
}

func (p rowPieces) scratch() int64 { return aligned(max(p.whole.Scratch(), p.end.Scratch())) }

// eachPiece runs f for every piece of n rows.
func (d *Device) eachPiece(n int, f func(worker, first, last int)) {
	d.run(ceil(n, loraRows), func(worker, i int) { f(worker, i*loraRows, min((i+1)*loraRows, n)) })
}

// adapters are what the kernels of an adapted linear layer share.
type adapters struct {
	d        *Device
	in       *engine.Instr
	scale    float32
	columns  []int
	n, o     int // rows, and columns of y
	rank, r  int // of all adapters, and of each
	products []rowPieces
	layout   layout
	// scratch of worker 0: a matmul's own, rows in float32, and u or du; size of a worker's
	work, wide, narrow, one int64
}

// wideRow is the number of columns of the widest adapter.
func wideRow(b []*engine.Tensor) (columns int) {
	for _, t := range b {
		columns = max(columns, t.Rows())
	}
	return columns
}

// layFor lays it out for results of a type: float32 needs no other place for its sums.
func (a *adapters) layFor(b []*engine.Tensor, t engine.DType) {
	if t == engine.F32 {
		a.lay(0)
	} else {
		a.lay(wideRow(b))
	}
}

// lay lays out a worker's scratch memory for pieces of wide columns.
func (a *adapters) lay(wide int) {
	var work int64
	for _, p := range a.products {
		work = max(work, p.scratch())
	}
	a.work = a.layout.take(work)
	a.wide = a.layout.take(4 * loraRows * int64(wide))
	a.narrow = a.layout.take(4 * loraRows * int64(a.rank))
	a.one = a.layout.size
}

func (a *adapters) Scratch() int64 { return a.one * int64(a.d.Workers()) }

// part is a piece of a worker's scratch memory.
func (a *adapters) part(scratch unsafe.Pointer, worker int, at int64) unsafe.Pointer {
	return unsafe.Add(scratch, int64(worker)*a.one+at)
}

// widenColumns writes columns of rows first to last of t to dst, in float32, scaled.
func widenColumns(dst []float32, t *engine.Tensor, first, last, column, columns int, scale float32) {
	for n := first; n < last; n++ {
		to := dst[(n-first)*columns:][:columns]
		if t.DType == engine.BF16 {
			for i, v := range rowOf[uint16](t, n)[column : column+columns] {
				to[i] = scale * value(v)
			}
			continue
		}
		for i, v := range rowOf[float32](t, n)[column : column+columns] {
			to[i] = scale * v
		}
	}
}

// loraForward is y[N,Oⱼ] += s·uⱼ·Bⱼᵀ.
type loraForward struct{ adapters }

func newLoRA(d *Device, in *engine.Instr, o op.LoRAOp) (engine.Kernel, error) {
	y, u, bs := in.In[0], in.In[1], in.In[2:]
	k := &loraForward{adapters{
		d: d, in: in, scale: float32(o.Scale), columns: o.Columns, n: y.Rows(), o: y.Cols(), rank: u.Cols(), r: bs[0].Cols(),
	}}
	for _, b := range bs {
		// In bf16 the sum is taken in scratch memory, and added and rounded then.
		desc := onednn.Desc{N: b.Rows(), K: k.r, TransB: true, LDA: k.rank, LDB: k.r, LDC: b.Rows()}
		if y.DType == engine.F32 {
			desc.LDC, desc.Accumulate = k.o, true
		}
		p, err := newRowPieces(d, k.n, desc)
		if err != nil {
			return nil, err
		}
		k.products = append(k.products, p)
	}
	k.layFor(bs, y.DType)
	return k, nil
}

func (k *loraForward) Run(scratch unsafe.Pointer, _ bool) {
	from, u, y := k.in.In[0], k.in.In[1], k.in.Out[0]
	k.d.eachPiece(k.n, func(worker, first, last int) {
		scaled := matrixAt[float32](k.part(scratch, worker, k.narrow), 0, (last-first)*k.rank)
		widenColumns(scaled, u, first, last, 0, k.rank, k.scale)
		if from.Pointer() != y.Pointer() {
			copyRows(y, from, first, last)
		}
		for j, b := range k.in.In[2:] {
			p, work := k.products[j].of(last), k.part(scratch, worker, k.work)
			left := unsafe.Pointer(&scaled[j*k.r])
			if y.DType == engine.F32 {
				p.Run(worker, left, b.Pointer(), offset(y.Pointer(), first*k.o+k.columns[j], engine.F32), work)
				continue
			}
			sums := matrixAt[float32](k.part(scratch, worker, k.wide), 0, (last-first)*b.Rows())
			p.Run(worker, left, b.Pointer(), pointer(sums), work)
			for n := first; n < last; n++ {
				row := rowOf[uint16](y, n)[k.columns[j]:][:b.Rows()]
				for i, v := range sums[(n-first)*b.Rows():][:b.Rows()] {
					set(&row[i], value(row[i])+v)
				}
			}
		}
	})
}

// copyRows copies rows of one type.
func copyRows(dst, src *engine.Tensor, first, last int) {
	for n := first; n < last; n++ {
		if dst.DType == engine.BF16 {
			copy(rowOf[uint16](dst, n), rowOf[uint16](src, n))
		} else {
			copy(rowOf[float32](dst, n), rowOf[float32](src, n))
		}
	}
}

// loraGradInput is duⱼ[N,r] = s·dyⱼ·Bⱼ.
type loraGradInput struct{ adapters }

func newLoRAGradInput(d *Device, in *engine.Instr, o op.LoRAGradInputOp) (engine.Kernel, error) {
	dy, bs, du := in.In[0], in.In[1:], in.Out[0]
	k := &loraGradInput{adapters{
		d: d, in: in, scale: float32(o.Scale), columns: o.Columns, n: dy.Rows(), o: dy.Cols(), rank: du.Cols(), r: bs[0].Cols(),
	}}
	for _, b := range bs {
		desc := onednn.Desc{N: k.r, K: b.Rows(), LDA: b.Rows(), LDB: k.r, LDC: k.rank}
		if dy.DType == engine.F32 {
			desc.LDA = k.o
		}
		p, err := newRowPieces(d, k.n, desc)
		if err != nil {
			return nil, err
		}
		k.products = append(k.products, p)
	}
	k.layFor(bs, dy.DType)
	return k, nil
}

func (k *loraGradInput) Run(scratch unsafe.Pointer, _ bool) {
	dy, du := k.in.In[0], k.in.Out[0]
	k.d.eachPiece(k.n, func(worker, first, last int) {
		sums := matrixAt[float32](k.part(scratch, worker, k.narrow), 0, (last-first)*k.rank)
		for j, b := range k.in.In[1:] {
			left := offset(dy.Pointer(), first*k.o+k.columns[j], dy.DType)
			if dy.DType == engine.BF16 {
				wide := matrixAt[float32](k.part(scratch, worker, k.wide), 0, (last-first)*b.Rows())
				widenColumns(wide, dy, first, last, k.columns[j], b.Rows(), 1)
				left = pointer(wide)
			}
			k.products[j].of(last).Run(worker, left, b.Pointer(), unsafe.Pointer(&sums[j*k.r]), k.part(scratch, worker, k.work))
		}
		for i := range sums {
			sums[i] *= k.scale
		}
		for n := first; n < last; n++ {
			setRow(du, n, sums[(n-first)*k.rank:][:k.rank])
		}
	})
}

// loraGradWeight is dBⱼ[Oⱼ,r] = s·dyⱼᵀ·uⱼ. A worker makes some rows of it, over all tokens
// in order.
type loraGradWeight struct {
	d       *Device
	in      *engine.Instr
	op      op.LoRAGradWeightOp
	n, rank int
	r       int
	tasks   []gradientTask
	layout  layout
	// scratch: u scaled, then worker 0's matmul and rows; size of a worker's
	u, work, wide, own int64
}

// gradientTask makes rows of an adapter's gradient.
type gradientTask struct {
	adapter, first, rows int
	sets, adds           [2]product // of loraDepth tokens, and of those that are left
}

// Of a gradient a worker takes so many rows at a time, and so many tokens.
const (
	loraColumns = 192
	loraDepth   = 256
)

func newLoRAGradWeight(d *Device, in *engine.Instr, o op.LoRAGradWeightOp) (engine.Kernel, error) {
	dy, u := in.In[0], in.In[1]
	k := &loraGradWeight{d: d, in: in, op: o, n: u.Rows(), rank: u.Cols(), r: u.Cols() / len(o.Rows)}
	var work int64
	for j, rows := range o.Rows {
		if in.Out[j] == nil {
			continue
		}
		for first := 0; first < rows; first += loraColumns {
			t := gradientTask{adapter: j, first: first, rows: min(loraColumns, rows-first)}
			for i, depth := range []int{min(k.n, loraDepth), k.n - (ceil(k.n, loraDepth)-1)*loraDepth} {
				desc := onednn.Desc{M: t.rows, N: k.r, K: depth, TransA: true, LDA: t.rows, LDB: k.rank, LDC: k.r}
				if dy.DType == engine.F32 {
					desc.LDA = dy.Cols()
				}
				var err error
				if t.sets[i], err = d.single(desc); err != nil {
					return nil, err
				}
				desc.Accumulate = true
				if t.adds[i], err = d.single(desc); err != nil {
					return nil, err
				}
				work = max(work, aligned(t.sets[i].Scratch()), aligned(t.adds[i].Scratch()))
			}
			k.tasks = append(k.tasks, t)
		}
	}
	k.u = k.layout.take(4 * int64(k.n) * int64(k.rank))
	own := layout{}
	k.work = own.take(work)
	if dy.DType == engine.BF16 {
		k.wide = own.take(4 * loraDepth * loraColumns)
	}
	k.own = own.size
	return k, nil
}

func (k *loraGradWeight) Scratch() int64 { return k.layout.size + k.own*int64(k.d.Workers()) }

func (k *loraGradWeight) Run(scratch unsafe.Pointer, accumulating bool) {
	u := matrixAt[float32](scratch, k.u, k.n*k.rank)
	k.d.eachPiece(k.n, func(_, first, last int) {
		widenColumns(u[first*k.rank:], k.in.In[1], first, last, 0, k.rank, float32(k.op.Scale))
	})
	k.d.run(len(k.tasks), func(worker, i int) {
		k.run(&k.tasks[i], worker, u, unsafe.Add(scratch, k.layout.size+int64(worker)*k.own), accumulating)
	})
}

func (k *loraGradWeight) run(t *gradientTask, worker int, u []float32, scratch unsafe.Pointer, accumulating bool) {
	dy, db := k.in.In[0], k.in.Out[t.adapter]
	column := k.op.Columns[t.adapter] + t.first
	for first := 0; first < k.n; first += loraDepth {
		last := min(first+loraDepth, k.n)
		left := offset(dy.Pointer(), first*dy.Cols()+column, dy.DType)
		if dy.DType == engine.BF16 {
			wide := matrixAt[float32](scratch, k.wide, (last-first)*t.rows)
			widenColumns(wide, dy, first, last, column, t.rows, 1)
			left = pointer(wide)
		}
		products := t.sets
		if first > 0 || k.in.Store[t.adapter].Adds(accumulating) {
			products = t.adds
		}
		i := 0
		if last == k.n {
			i = 1
		}
		products[i].Run(worker, left, unsafe.Pointer(&u[first*k.rank+t.adapter*k.r]), offset(db.Pointer(), t.first*k.r, engine.F32), unsafe.Add(scratch, k.work))
	}
}
