package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/cpu/f32"
	"mobilellm/engine/cpu/onednn"
	"mobilellm/engine/op"
)

func init() { engine.Register(kernels, newAttentionGrad) }

// attentionGrad, in float32, computes dqkv in two rounds. In the first, one task for each
// head of each sequence makes its scores again, block by block from the last,
// and writes dq; its dk and dv go to scratch memory. The second sums dk and dv
// of the heads that share a key head, in order.
type attentionGrad struct {
	d  *Device
	in *engine.Instr
	blocks
	angles *angles
	bufs   [][][]float32
	steps  []gradProducts

	worker                      layout
	k, q, s, dp, p, ds, o, temp int64
}

// gradProducts are the matmuls of one block of queries.
type gradProducts struct{ scores, dp, dv, dk, dq product }

func newAttentionGrad(d *Device, in *engine.Instr, o op.AttentionGradOp) (engine.Kernel, error) {
	h := o.Heads
	starts := documentStarts(in, 4)
	if in.In[0].DType == engine.BF16 {
		if !bf16.Available() {
			return nil, errNoBF16
		}
		return newAttentionGradBF16(d, in, h, starts), nil
	}
	k := &attentionGrad{d: d, in: in, blocks: newBlocks(h, in.In[0].DType, starts), angles: d.anglesOf(h), bufs: d.buffers(1, h.HeadDim)}
	var temp int64
	for i := range k.count() {
		p, n, err := k.products(i)
		if err != nil {
			return nil, err
		}
		k.steps = append(k.steps, p)
		temp = max(temp, n)
	}
	w, e := &k.worker, k.typ.Size()
	block := int64(k.rows * h.Seq)
	k.k = w.take(int64(h.Seq*h.HeadDim) * e)
	k.q = w.take(int64(k.rows*h.HeadDim) * e)
	k.s, k.dp = w.take(block*4), w.take(block*4)
	k.p, k.ds = k.s, k.dp
	k.o = w.take(int64(k.rows*h.HeadDim) * 4)
	k.temp = w.take(temp)
	return k, nil
}

// products makes the matmuls of block i and says what scratch they need.
func (k *attentionGrad) products(i int) (g gradProducts, scratch int64, err error) {
	first, end := k.bounds(i)
	n, dim, t := end-first, k.HeadDim, elementType(k.typ)
	width := k.Heads.Heads * dim
	later := i < k.count()-1 // the last block comes first and sets dk and dv
	for _, p := range []struct {
		at   *product
		side f32.Side
		desc onednn.Desc
	}{
		{&g.scores, f32.KeysAreColumns, onednn.Desc{M: n, N: end, K: dim, TransB: true, LDA: dim, LDB: dim, LDC: k.Seq}},
		{&g.dp, f32.KeysAreColumns, onednn.Desc{M: n, N: end, K: dim, TransB: true, LDA: width, LDB: k.Width(), LDC: k.Seq}},
		{&g.dv, f32.QueriesAreSummed, onednn.Desc{M: end, N: dim, K: n, TransA: true, LDA: k.Seq, LDB: width, LDC: dim, Accumulate: later}},
		{&g.dk, f32.QueriesAreSummed, onednn.Desc{M: end, N: dim, K: n, TransA: true, LDA: k.Seq, LDB: dim, LDC: dim, Accumulate: later}},
		{&g.dq, f32.KeysAreSummed, onednn.Desc{M: n, N: dim, K: end, LDA: k.Seq, LDB: dim, LDC: dim}},
	} {
		p.desc.A, p.desc.B, p.desc.C = t, t, onednn.F32
		if *p.at, err = k.d.causal(p.desc, p.side, first); err != nil {
			return g, 0, err
		}
		scratch = max(scratch, (*p.at).Scratch())
	}
	return g, scratch, nil
}

// sums is the size of dk (and of dv) of all heads in float32.
func (k *attentionGrad) sums() int64 { return gradSums(k.Heads) }

func gradSums(h op.Heads) int64 { return 4 * int64(h.Batch*h.Heads*h.Seq*h.HeadDim) }

func (k *attentionGrad) Scratch() int64 {
	return 2*k.sums() + k.worker.size*int64(k.d.Workers())
}

func (k *attentionGrad) Run(scratch unsafe.Pointer, _ bool) {
	dk, dv := scratch, unsafe.Add(scratch, k.sums())
	workers := unsafe.Add(dv, k.sums())
	k.d.run(k.Batch*k.Heads.Heads, func(worker, i int) {
		k.head(worker, i, dk, dv, unsafe.Add(workers, int64(worker)*k.worker.size))
	})
	k.gatherAll(dk, dv)
}

// head makes dq of head i of all sequences' heads, and its part of dk and
// dv.
func (k *attentionGrad) head(worker, i int, dkAll, dvAll, scratch unsafe.Pointer) {
	qkv, out, lse, dout, dqkv := k.in.In[0], k.in.In[1], k.in.In[2].Float32s(), k.in.In[3], k.in.Out[0]
	batch, head := i/k.Heads.Heads, i%k.Heads.Heads
	dim, half, row := k.HeadDim, k.HeadDim/2, batch*k.Seq
	keys := matrixAt[float32](scratch, k.k, k.Seq*dim)
	queries := matrixAt[float32](scratch, k.q, k.rows*dim)
	s := matrixAt[float32](scratch, k.s, k.rows*k.Seq)
	dp := matrixAt[float32](scratch, k.dp, k.rows*k.Seq)
	p := matrixAt[float32](scratch, k.p, k.rows*k.Seq)
	ds := matrixAt[float32](scratch, k.ds, k.rows*k.Seq)
	dq := matrixAt[float32](scratch, k.o, k.rows*dim)
	temp := unsafe.Add(scratch, k.temp)
	v := offset(qkv.Pointer(), row*qkv.Cols()+k.valueColumn(head), k.typ)
	dk, dv := offset(dkAll, i*k.Seq*dim, engine.F32), offset(dvAll, i*k.Seq*dim, engine.F32)
	a := k.scoreScale()
	columns := func(t *engine.Tensor, r int) []float32 { return rowOf[float32](t, r)[head*dim : (head+1)*dim] }
	rotated(&k.blocks, keys, qkv, row, k.keyColumn(head), 0, k.Seq, k.angles)
	for b := k.count() - 1; b >= 0; b-- {
		first, end := k.bounds(b)
		g := &k.steps[b]
		rotated(&k.blocks, queries, qkv, row+first, head*dim, first, end-first, k.angles)
		do := offset(dout.Pointer(), (row+first)*dout.Cols()+head*dim, k.typ)
		g.scores.Run(worker, pointer(queries), pointer(keys), pointer(s), temp)
		g.dp.Run(worker, do, v, pointer(dp), temp)
		for r := range end - first {
			t, seen, at := row+first+r, first+r+1, r*k.Seq
			from, to := at+k.firstKey(t), at+seen
			delta := dot(columns(dout, t), columns(out, t))
			softmaxGrad(p[from:to], ds[from:to], s[from:to], dp[from:to], a, lse[t*k.Heads.Heads+head], delta)
			clear(p[at:from])
			clear(ds[at:from])
			clear(p[at+seen : at+end])
			clear(ds[at+seen : at+end])
		}
		g.dv.Run(worker, pointer(p), do, dv, temp)
		g.dk.Run(worker, pointer(ds), pointer(queries), dk, temp)
		g.dq.Run(worker, pointer(ds), pointer(keys), pointer(dq), temp)
		for r := range end - first {
			at := (first + r) * half
			rotate(columns(dqkv, row+first+r), dq[r*dim:(r+1)*dim], k.angles.cos[at:at+half], k.angles.minusSin[at:at+half])
		}
	}
}

// gatherAll sums dk and dv of every key head over its query heads.
func (k *attentionGrad) gatherAll(dk, dv unsafe.Pointer) {
	const piece = 64
	perSequence := ceil(k.Seq, piece)
	k.d.run(k.Batch*k.KVHeads*perSequence, func(worker, i int) {
		first := i % perSequence * piece
		i /= perSequence
		g := gathering{k.Heads, k.in.Out[0], k.angles, k.bufs[worker][0], i / k.KVHeads, i % k.KVHeads}
		for t := first; t < min(first+piece, k.Seq); t++ {
			g.position(t, dk, dv)
		}
	})
}

// gathering is the sum for one key head of a sequence.
type gathering struct {
	op.Heads
	dqkv      *engine.Tensor
	angles    *angles
	sum       []float32
	batch, kv int
}

// position sums dk and dv of a position in order, and undoes RoPE in dk.
func (g gathering) position(t int, dk, dv unsafe.Pointer) {
	dim, half := g.HeadDim, g.HeadDim/2
	row := rowOf[float32](g.dqkv, g.batch*g.Seq+t)
	key := (g.Heads.Heads + g.kv) * dim
	value := key + g.KVHeads*dim
	g.over(dk, t)
	rotate(row[key:key+dim], g.sum, g.angles.cos[t*half:(t+1)*half], g.angles.minusSin[t*half:(t+1)*half])
	g.over(dv, t)
	copy(row[value:value+dim], g.sum)
}

func (g gathering) over(all unsafe.Pointer, t int) {
	group := g.Heads.Heads / g.KVHeads
	for h := range group {
		x := matrixAt[float32](offset(all, ((g.batch*g.Heads.Heads+g.kv*group+h)*g.Seq+t)*g.HeadDim, engine.F32), 0, g.HeadDim)
		if h == 0 {
			copy(g.sum, x)
			continue
		}
		add(g.sum, g.sum, x)
	}
}
