package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/op"
)

// attentionGradBF16 is attentionGrad on package bf16. The keys of a block of
// queries are taken in pieces, as the log-sum-exp is known. Sums for keys and
// values are transposed, [D, T] for each head: then P and dS are right sides, in
// whose form the softmax's gradient leaves them.
type attentionGradBF16 struct {
	d  *Device
	in *engine.Instr
	blocks
	angles *angles

	worker                                                                 layout
	k, q, keys, keyRows, values, qPairs, doPairs, s, dp, p, ds, dq, deltas int64
}

// A block of queries and a piece of keys: so many queries that a tile of dk and dv
// sums a good while, so few keys that scores and their gradients stay in the
// second-level cache beside them.
const (
	gradQueries = 192
	keyBlock    = 256
)

func newAttentionGradBF16(d *Device, in *engine.Instr, h op.Heads, starts *engine.Tensor) engine.Kernel {
	k := &attentionGradBF16{d: d, in: in, blocks: blocks{h, engine.BF16, min(gradQueries, h.Seq), starts}, angles: d.anglesOf(h)}
	w, dim, rows := &k.worker, int64(h.HeadDim), int64(k.rows)
	k.k = w.take(2 * int64(h.Seq) * dim)
	k.q = w.take(2 * rows * dim)
	k.keys = w.take(2 * int64(bf16.PackedLen(h.HeadDim, h.Seq)))
	k.keyRows = w.take(2 * int64(bf16.PackedLen(h.Seq, h.HeadDim)))
	k.values = w.take(2 * int64(bf16.PackedLen(h.HeadDim, h.Seq)))
	paired := 2 * int64(bf16.PairedLen(k.rows, h.HeadDim))
	k.qPairs, k.doPairs = w.take(paired), w.take(paired)
	k.s, k.dp = w.take(4*rows*int64(k.stride())), w.take(4*rows*int64(k.stride()))
	block := 2 * int64(bf16.PackedLen(k.rows, k.stride()))
	k.p, k.ds = w.take(block), w.take(block)
	k.dq = w.take(4 * rows * dim)
	k.deltas = w.take(4 * rows)
	return k
}

// stride is the length of a row of scores.
func (k *attentionGradBF16) stride() int { return panels(min(keyBlock, k.Seq)) }

func (k *attentionGradBF16) sums() int64 { return gradSums(k.Heads) }

func (k *attentionGradBF16) Scratch() int64 { return 2*k.sums() + k.worker.size*int64(k.d.Workers()) }

func (k *attentionGradBF16) Run(scratch unsafe.Pointer, _ bool) {
	dk, dv := scratch, unsafe.Add(scratch, k.sums())
	workers := unsafe.Add(dv, k.sums())
	k.d.run(k.Batch*k.Heads.Heads, func(worker, i int) {
		k.head(i, dk, dv, unsafe.Add(workers, int64(worker)*k.worker.size))
	})
	k.d.run(k.Batch*k.KVHeads, func(_, i int) { k.gather(i, dk, dv) })
}

func (k *attentionGradBF16) head(i int, dkAll, dvAll, scratch unsafe.Pointer) {
	qkv, out, lse, dout, dqkv := k.in.In[0], k.in.In[1], k.in.In[2].Float32s(), k.in.In[3], k.in.Out[0]
	batch, head := i/k.Heads.Heads, i%k.Heads.Heads
	dim, half, row := k.HeadDim, k.HeadDim/2, batch*k.Seq
	at := func(o int64) unsafe.Pointer { return unsafe.Add(scratch, o) }
	queries, keys, keyRows, values, dq, delta := at(k.q), at(k.keys), at(k.keyRows), at(k.values), at(k.dq), at(k.deltas)
	dk, dv := offset(dkAll, i*k.Seq*dim, engine.F32), offset(dvAll, i*k.Seq*dim, engine.F32)

	k.rotated(at(k.k), qkv, k.angles, row, k.keyColumn(head), 0, k.Seq)
	bf16.PackTransposed(keys, at(k.k), dim, dim, k.Seq)
	bf16.Pack(keyRows, at(k.k), dim, k.Seq, dim)
	bf16.PackTransposed(values, columnsAt(qkv, row, k.valueColumn(head)), qkv.Cols(), dim, k.Seq)
	for b := k.count() - 1; b >= 0; b-- {
		first, end := k.bounds(b)
		n, hidden := end-first, k.hidden(row+first, end-first)
		store := bf16.Add
		if b == k.count()-1 {
			store = bf16.Set // the last block reaches every key but the hidden ones
			clearColumns(dk, dim, k.Seq, hidden)
			clearColumns(dv, dim, k.Seq, hidden)
		}
		do := columnsAt(dout, row+first, head*dim)
		k.rotated(queries, qkv, k.angles, row, head*dim, first, n)
		bf16.RowDots(delta, do, columnsAt(out, row+first, head*dim), out.Cols(), n, dim)
		bf16.Pair(at(k.qPairs), queries, dim, n, dim)
		bf16.Pair(at(k.doPairs), do, dout.Cols(), n, dim)
		for skip := hidden; skip < end; skip += keyBlock {
			keep := bf16.Set
			if skip > hidden {
				keep = bf16.Add
			}
			k.piece(k.block(row, first, n, skip, min(keyBlock, end-skip), k.stride()), at, do, lse[(row+first)*k.Heads.Heads+head:],
				offset(dk, skip, engine.F32), offset(dv, skip, engine.F32), store, keep)
		}
		cos, _, minusSin := k.angles.from(first, half)
		bf16.RoundRotate(columnsAt(dqkv, row+first, head*dim), dqkv.Cols(), dq, dim, cos, minusSin, n, half)
	}
}

// piece is what a block of queries and a piece of the keys give to dk, dv (which
// store says how to store) and dq (keep).
func (k *attentionGradBF16) piece(b bf16.Block, at func(int64) unsafe.Pointer, do unsafe.Pointer, lse []float32, dk, dv unsafe.Pointer, store, keep bf16.Store) {
	dim, width, stride := k.HeadDim, k.in.In[3].Cols(), b.Stride
	columns := bf16.Causal{Side: bf16.KeysAreColumns, First: b.First}
	bf16.CausalProduct(b.Queries, b.Keys, dim, at(k.q), dim, keysFrom(at(k.keys), dim, b.Skip), dim, at(k.s), stride, bf16.Set, columns)
	bf16.CausalProduct(b.Queries, b.Keys, dim, do, width, keysFrom(at(k.values), dim, b.Skip), dim, at(k.dp), stride, bf16.Set, columns)
	b.SoftmaxGrad(at(k.p), at(k.ds), at(k.s), at(k.dp), pointer(lse), k.Heads.Heads, at(k.deltas))
	summed := bf16.Causal{Side: bf16.QueriesAreSummed, First: b.First}
	bf16.CausalProductPaired(dim, b.Keys, b.Queries, at(k.doPairs), at(k.p), b.Queries, dv, k.Seq, store, summed)
	bf16.CausalProductPaired(dim, b.Keys, b.Queries, at(k.qPairs), at(k.ds), b.Queries, dk, k.Seq, store, summed)
	bf16.CausalProduct(b.Queries, dim, even(b.Keys), at(k.dp), 2*stride, rowsFrom(at(k.keyRows), b.Skip), k.Seq, at(k.dq), dim, keep,
		bf16.Causal{Side: bf16.KeysAreSummed, First: b.First})
}

// clearColumns zeroes the first n columns of x[rows,columns] in float32.
func clearColumns(x unsafe.Pointer, rows, columns, n int) {
	for r := range rows {
		clear(matrixAt[float32](x, 4*int64(r*columns), n))
	}
}

// gather sums dk and dv of key head i of all sequences' over its query heads, in
// order, and undoes RoPE in dk.
func (k *attentionGradBF16) gather(i int, dk, dv unsafe.Pointer) {
	dqkv := k.in.Out[0]
	batch, kv, group, dim := i/k.KVHeads, i%k.KVHeads, k.Heads.Heads/k.KVHeads, k.HeadDim
	head := k.Seq * dim
	sums := (batch*k.Heads.Heads + kv*group) * head
	cos, _, minusSin := k.angles.from(0, dim/2)
	bf16.GatherRotate(columnsAt(dqkv, batch*k.Seq, k.keyColumn(kv*group)), dqkv.Cols(), offset(dk, sums, engine.F32), k.Seq, head, group, k.Seq, dim/2, cos, minusSin)
	bf16.Gather(columnsAt(dqkv, batch*k.Seq, k.valueColumn(kv*group)), dqkv.Cols(), offset(dv, sums, engine.F32), k.Seq, head, group, k.Seq, dim)
}
