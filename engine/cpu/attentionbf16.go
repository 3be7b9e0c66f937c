package cpu

import (
	"math"
	"slices"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/op"
)

// bf16Block is the number of queries in a block: a multiple of the tile's
// height.
const bf16Block = 96

// attentionBF16 is attention with products of package bf16. A task is a head of
// a sequence, as in attention; keys and values are packed once a task. Panels of
// keys before the documents of a block's queries are left out of its products.
type attentionBF16 struct {
	d  *Device
	in *engine.Instr
	blocks
	angles *angles

	worker                      layout
	k, q, keys, values, s, p, o int64
}

func newAttentionBF16(d *Device, in *engine.Instr, h op.Heads, starts *engine.Tensor) engine.Kernel {
	k := &attentionBF16{d: d, in: in, blocks: blocks{h, engine.BF16, min(bf16Block, h.Seq), starts}, angles: d.anglesOf(h)}
	w, dim := &k.worker, int64(h.HeadDim)
	k.k = w.take(2 * int64(h.Seq) * dim)
	k.q = w.take(2 * int64(k.rows) * dim)
	k.keys = w.take(2 * int64(bf16.PackedLen(h.HeadDim, h.Seq)))
	k.values = w.take(2 * int64(bf16.PackedLen(h.Seq, h.HeadDim)))
	k.s = w.take(4 * int64(k.rows) * int64(k.stride()))
	k.p = w.take(2 * int64(k.rows) * int64(k.stride()))
	k.o = w.take(4 * int64(k.rows) * dim)
	return k
}

// stride is the length of a row of scores: whole panels, so that vectors never
// end within a row.
func (b *blocks) stride() int { return ceil(b.Seq, bf16.Cols) * bf16.Cols }

// hidden is the number of keys at the beginning of a sequence, in whole panels,
// that none of the n queries from a row of qkv on sees.
func (b *blocks) hidden(row, n int) int {
	if b.starts == nil {
		return 0
	}
	return int(slices.Min(b.starts.Ids()[row:row+n])) / bf16.Cols * bf16.Cols
}

// masked returns the part of a row of scores that vectors cover, from low on,
// with what the query does not see of it set so low that its exponential is 0.
// The query sees the keys from … seen−1.
func masked(row []float32, from, seen int) (x []float32, low int) {
	low = from &^ 15
	n := ceil(seen, 16) * 16
	for i := low; i < from; i++ {
		row[i] = lowest
	}
	for i := seen; i < n; i++ {
		row[i] = lowest
	}
	return row[low:n], low
}

// keysFrom and rowsFrom are a packed right side, of depth rows, without its
// first columns or rows, in whole panels.
func keysFrom(packed unsafe.Pointer, depth, columns int) unsafe.Pointer {
	return offset(packed, bf16.PackedLen(depth, columns), engine.BF16)
}

func rowsFrom(packed unsafe.Pointer, rows int) unsafe.Pointer {
	return offset(packed, rows*bf16.Cols, engine.BF16)
}

const lowest = -1e30

func (k *attentionBF16) Scratch() int64 { return k.worker.size * int64(k.d.Workers()) }

func (k *attentionBF16) Run(scratch unsafe.Pointer, _ bool) {
	k.d.run(k.Batch*k.Heads.Heads, func(worker, i int) {
		k.head(i, unsafe.Add(scratch, int64(worker)*k.worker.size))
	})
}

func (k *attentionBF16) head(i int, scratch unsafe.Pointer) {
	qkv, out, lse := k.in.In[0], k.in.Out[0], k.in.Out[1]
	batch, head := i/k.Heads.Heads, i%k.Heads.Heads
	dim, row, stride := k.HeadDim, batch*k.Seq, k.stride()
	turned := matrixAt[uint16](scratch, k.k, k.Seq*dim)
	queries := matrixAt[uint16](scratch, k.q, k.rows*dim)
	keys, values := unsafe.Add(scratch, k.keys), unsafe.Add(scratch, k.values)
	s := matrixAt[float32](scratch, k.s, k.rows*stride)
	p := matrixAt[uint16](scratch, k.p, k.rows*stride)
	o := matrixAt[float32](scratch, k.o, k.rows*dim)
	a := k.scoreScale()
	var statistics []float32
	if lse != nil {
		statistics = lse.Float32s()
	}

	rotated(&k.blocks, turned, qkv, row, k.keyColumn(head), 0, k.Seq, k.angles)
	bf16.PackTransposed(keys, pointer(turned), dim, dim, k.Seq)
	bf16.Pack(values, offset(qkv.Pointer(), row*qkv.Cols()+k.valueColumn(head), engine.BF16), qkv.Cols(), k.Seq, dim)
	for b := range k.count() {
		first, end := k.bounds(b)
		n, depth, skip := end-first, (end+1)&^1, k.hidden(row+first, end-first)
		rotated(&k.blocks, queries, qkv, row+first, head*dim, first, n, k.angles)
		bf16.Product(n, end-skip, dim, pointer(queries), dim, keysFrom(keys, dim, skip), dim, pointer(s[skip:]), stride, bf16.Set)
		var sums [bf16Block]float32
		for r := range n {
			x, low := masked(s[r*stride:(r+1)*stride], k.firstKey(row+first+r), first+r+1)
			e, high := p[r*stride:(r+1)*stride], low+len(x)
			top := a * largest(x)
			sums[r] = expSum(e[low:high], x, a, top)
			clear(e[skip:low])
			clear(e[high:max(depth, high)])
			if statistics != nil {
				statistics[(row+first+r)*k.Heads.Heads+head] = top + float32(math.Log(float64(sums[r])))
			}
		}
		bf16.Product(n, dim, depth-skip, pointer(p[skip:]), stride, rowsFrom(values, skip), k.Seq, pointer(o), dim, bf16.Set)
		for r := range n {
			scale(rowOf[uint16](out, row+first+r)[head*dim:(head+1)*dim], 1/sums[r], o[r*dim:(r+1)*dim])
		}
	}
}

// attentionGradBF16 is attentionGrad with products of package bf16.
type attentionGradBF16 struct {
	d  *Device
	in *engine.Instr
	blocks
	angles *angles
	bufs   [][][]float32

	worker                                                      layout
	k, q, keys, keyRows, values, side, s, dp, p, ds, paired, dq int64
}

func newAttentionGradBF16(d *Device, in *engine.Instr, h op.Heads, starts *engine.Tensor) engine.Kernel {
	k := &attentionGradBF16{
		d: d, in: in, blocks: blocks{h, engine.BF16, min(bf16Block, h.Seq), starts}, angles: d.anglesOf(h), bufs: d.buffers(1, h.HeadDim),
	}
	w, dim := &k.worker, int64(h.HeadDim)
	k.k = w.take(2 * int64(h.Seq) * dim)
	k.q = w.take(2 * int64(k.rows) * dim)
	k.keys = w.take(2 * int64(bf16.PackedLen(h.HeadDim, h.Seq)))
	k.keyRows = w.take(2 * int64(bf16.PackedLen(h.Seq, h.HeadDim)))
	k.values = w.take(2 * int64(bf16.PackedLen(h.HeadDim, h.Seq)))
	k.side = w.take(2 * int64(bf16.PackedLen(k.rows, h.HeadDim)))
	block := int64(k.rows) * int64(k.stride())
	k.s, k.dp = w.take(4*block), w.take(4*block)
	k.p, k.ds = w.take(2*block), w.take(2*block)
	k.paired = w.take(2 * int64(bf16.PairedLen(k.rows, k.stride())))
	k.dq = w.take(4 * int64(k.rows) * dim)
	return k
}

func (k *attentionGradBF16) sums() int64 { return gradSums(k.Heads) }

func (k *attentionGradBF16) Scratch() int64 { return 2*k.sums() + k.worker.size*int64(k.d.Workers()) }

func (k *attentionGradBF16) Run(scratch unsafe.Pointer, _ bool) {
	dk, dv := scratch, unsafe.Add(scratch, k.sums())
	workers := unsafe.Add(dv, k.sums())
	k.d.run(k.Batch*k.Heads.Heads, func(worker, i int) {
		k.head(i, dk, dv, unsafe.Add(workers, int64(worker)*k.worker.size))
	})
	gatherAll[uint16](k.d, k.Heads, k.in.Out[0], k.angles, k.bufs, dk, dv)
}

func (k *attentionGradBF16) head(i int, dkAll, dvAll, scratch unsafe.Pointer) {
	qkv, out, lse, dout, dqkv := k.in.In[0], k.in.In[1], k.in.In[2].Float32s(), k.in.In[3], k.in.Out[0]
	batch, head := i/k.Heads.Heads, i%k.Heads.Heads
	dim, half, row, stride := k.HeadDim, k.HeadDim/2, batch*k.Seq, k.stride()
	turned := matrixAt[uint16](scratch, k.k, k.Seq*dim)
	queries := matrixAt[uint16](scratch, k.q, k.rows*dim)
	keys, keyRows, values := unsafe.Add(scratch, k.keys), unsafe.Add(scratch, k.keyRows), unsafe.Add(scratch, k.values)
	side, paired := unsafe.Add(scratch, k.side), unsafe.Add(scratch, k.paired)
	s := matrixAt[float32](scratch, k.s, k.rows*stride)
	dp := matrixAt[float32](scratch, k.dp, k.rows*stride)
	p := matrixAt[uint16](scratch, k.p, k.rows*stride)
	ds := matrixAt[uint16](scratch, k.ds, k.rows*stride)
	dq := matrixAt[float32](scratch, k.dq, k.rows*dim)
	dk, dv := offset(dkAll, i*k.Seq*dim, engine.F32), offset(dvAll, i*k.Seq*dim, engine.F32)
	a := k.scoreScale()
	columns := func(t *engine.Tensor, r int) []uint16 { return rowOf[uint16](t, r)[head*dim : (head+1)*dim] }

	rotated(&k.blocks, turned, qkv, row, k.keyColumn(head), 0, k.Seq, k.angles)
	bf16.PackTransposed(keys, pointer(turned), dim, dim, k.Seq)
	bf16.Pack(keyRows, pointer(turned), dim, k.Seq, dim)
	bf16.PackTransposed(values, offset(qkv.Pointer(), row*qkv.Cols()+k.valueColumn(head), engine.BF16), qkv.Cols(), dim, k.Seq)
	for b := k.count() - 1; b >= 0; b-- {
		first, end := k.bounds(b)
		n, depth, skip := end-first, (end+1)&^1, k.hidden(row+first, end-first)
		store := bf16.Add
		if b == k.count()-1 {
			store = bf16.Set // the last block reaches every key but the hidden ones
			clear(matrixAt[float32](dk, 0, skip*dim))
			clear(matrixAt[float32](dv, 0, skip*dim))
		}
		rotated(&k.blocks, queries, qkv, row+first, head*dim, first, n, k.angles)
		do := pointer(columns(dout, row+first))
		bf16.Product(n, end-skip, dim, pointer(queries), dim, keysFrom(keys, dim, skip), dim, pointer(s[skip:]), stride, bf16.Set)
		bf16.Product(n, end-skip, dim, do, dout.Cols(), keysFrom(values, dim, skip), dim, pointer(dp[skip:]), stride, bf16.Set)
		for r := range n {
			t, at := row+first+r, r*stride
			x, low := masked(s[at:at+stride], k.firstKey(t), first+r+1)
			m := low + len(x)
			delta := dot(columns(dout, t), columns(out, t))
			for j := first + r + 1; j < m; j++ {
				dp[at+j] = 0 // may be beyond what the product wrote
			}
			softmaxGrad(p[at+low:at+m], ds[at+low:at+m], x, dp[at+low:at+m], a, lse[t*k.Heads.Heads+head], delta)
			clear(p[at+skip : at+low])
			clear(ds[at+skip : at+low])
			clear(p[at+m : at+max(depth, m)])
			clear(ds[at+m : at+max(depth, m)])
		}
		bf16.Pack(side, do, dout.Cols(), n, dim)
		bf16.Pair(paired, pointer(p[skip:]), stride, n, end-skip)
		bf16.ProductPaired(end-skip, dim, n, paired, side, n, offset(dv, skip*dim, engine.F32), dim, store)
		bf16.Pack(side, pointer(queries), dim, n, dim)
		bf16.Pair(paired, pointer(ds[skip:]), stride, n, end-skip)
		bf16.ProductPaired(end-skip, dim, n, paired, side, n, offset(dk, skip*dim, engine.F32), dim, store)
		bf16.Product(n, dim, depth-skip, pointer(ds[skip:]), stride, rowsFrom(keyRows, skip), k.Seq, pointer(dq), dim, bf16.Set)
		for r := range n {
			at := (first + r) * half
			rotate(columns(dqkv, row+first+r), dq[r*dim:(r+1)*dim], k.angles.cos[at:at+half], k.angles.minusSin[at:at+half])
		}
	}
}
