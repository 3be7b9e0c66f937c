package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/onednn"
	"mobilellm/engine/op"
)

// attentionGrad computes dqkv in two rounds. In the first, one task for each
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

// gradProducts are the products of one block of queries.
type gradProducts struct{ scores, dp, dv, dk, dq product }

func newAttentionGrad(d *Device, in *engine.Instr, h op.Heads) (engine.Kernel, error) {
	k := &attentionGrad{d: d, in: in, blocks: newBlocks(h, in.In[0].DType), angles: d.anglesOf(h), bufs: d.buffers(4, max(h.HeadDim, h.Seq))}
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
	if k.typ == engine.BF16 {
		k.p, k.ds = w.take(block*e), w.take(block*e)
	}
	k.o = w.take(int64(k.rows*h.HeadDim) * 4)
	k.temp = w.take(temp)
	return k, nil
}

// products makes the products of block i and says what scratch they need.
func (k *attentionGrad) products(i int) (g gradProducts, scratch int64, err error) {
	first, end := k.bounds(i)
	n, dim, t := end-first, k.HeadDim, elementType(k.typ)
	width := k.Heads.Heads * dim
	later := i < k.count()-1 // the last block comes first and sets dk and dv
	for _, p := range []struct {
		at   *product
		desc onednn.Desc
	}{
		{&g.scores, onednn.Desc{M: n, N: end, K: dim, TransB: true, LDA: dim, LDB: dim, LDC: k.Seq}},
		{&g.dp, onednn.Desc{M: n, N: end, K: dim, TransB: true, LDA: width, LDB: k.Width(), LDC: k.Seq}},
		{&g.dv, onednn.Desc{M: end, N: dim, K: n, TransA: true, LDA: k.Seq, LDB: width, LDC: dim, Accumulate: later}},
		{&g.dk, onednn.Desc{M: end, N: dim, K: n, TransA: true, LDA: k.Seq, LDB: dim, LDC: dim, Accumulate: later}},
		{&g.dq, onednn.Desc{M: n, N: dim, K: end, LDA: k.Seq, LDB: dim, LDC: dim}},
	} {
		p.desc.A, p.desc.B, p.desc.C = t, t, onednn.F32
		if *p.at, err = k.d.product(p.desc); err != nil {
			return g, 0, err
		}
		scratch = max(scratch, (*p.at).Scratch())
	}
	return g, scratch, nil
}

// sums is the size of dk (and of dv) of all heads in float32.
func (k *attentionGrad) sums() int64 {
	return 4 * int64(k.Batch*k.Heads.Heads*k.Seq*k.HeadDim)
}

func (k *attentionGrad) Scratch() int64 {
	return 2*k.sums() + k.worker.size*int64(k.d.Workers())
}

func (k *attentionGrad) Run(scratch unsafe.Pointer, _ bool) {
	dk, dv := scratch, unsafe.Add(scratch, k.sums())
	workers := unsafe.Add(dv, k.sums())
	k.d.run(k.Batch*k.Heads.Heads, func(worker, i int) {
		k.head(worker, i, dk, dv, unsafe.Add(workers, int64(worker)*k.worker.size))
	})
	const piece = 64
	perSequence := ceil(k.Seq, piece)
	k.d.run(k.Batch*k.KVHeads*perSequence, func(worker, i int) {
		first := i % perSequence * piece
		i /= perSequence
		k.gather(worker, i/k.KVHeads, i%k.KVHeads, first, min(first+piece, k.Seq), dk, dv)
	})
}

func (k *attentionGrad) head(worker, i int, dkAll, dvAll, scratch unsafe.Pointer) {
	qkv, out, lse, dout, dqkv := k.in.In[0], k.in.In[1], k.in.In[2].Float32s(), k.in.In[3], k.in.Out[0]
	batch, head := i/k.Heads.Heads, i%k.Heads.Heads
	dim, half, row, buf := k.HeadDim, k.HeadDim/2, batch*k.Seq, k.bufs[worker]
	keys := tensorAt(unsafe.Add(scratch, k.k), k.Seq, dim, k.typ)
	queries := tensorAt(unsafe.Add(scratch, k.q), k.rows, dim, k.typ)
	s := tensorAt(unsafe.Add(scratch, k.s), k.rows, k.Seq, engine.F32)
	dp := tensorAt(unsafe.Add(scratch, k.dp), k.rows, k.Seq, engine.F32)
	p := tensorAt(unsafe.Add(scratch, k.p), k.rows, k.Seq, k.typ)
	ds := tensorAt(unsafe.Add(scratch, k.ds), k.rows, k.Seq, k.typ)
	o := tensorAt(unsafe.Add(scratch, k.o), k.rows, dim, engine.F32)
	temp := unsafe.Add(scratch, k.temp)
	v := offset(qkv.Pointer(), row*qkv.Cols()+k.valueColumn(head), k.typ)
	dk, dv := offset(dkAll, i*k.Seq*dim, engine.F32), offset(dvAll, i*k.Seq*dim, engine.F32)
	a := k.scoreScale()
	k.rotated(keys, qkv, row, k.keyColumn(head), 0, k.Seq, k.angles, buf)
	for b := k.count() - 1; b >= 0; b-- {
		first, end := k.bounds(b)
		g := &k.steps[b]
		k.rotated(queries, qkv, row+first, head*dim, first, end-first, k.angles, buf)
		do := offset(dout.Pointer(), (row+first)*dout.Cols()+head*dim, k.typ)
		g.scores.Run(worker, queries.Pointer(), keys.Pointer(), s.Pointer(), temp)
		g.dp.Run(worker, do, v, dp.Pointer(), temp)
		for r := range end - first {
			t, seen := row+first+r, first+r+1
			delta := dot(span(dout, t, head*dim, dim, buf[0]), span(out, t, head*dim, dim, buf[1]))
			x, y := s.Float32s()[r*k.Seq:r*k.Seq+end], dp.Float32s()[r*k.Seq:r*k.Seq+end]
			e, d := target(p, r, buf[2])[:end], target(ds, r, buf[3])[:end]
			expSum(e[:seen], x[:seen], a, lse[t*k.Heads.Heads+head])
			softmaxGrad(d[:seen], e[:seen], y[:seen], a, delta)
			clear(e[seen:])
			clear(d[seen:])
			putSpanOf(p, r, e)
			putSpanOf(ds, r, d)
		}
		g.dv.Run(worker, p.Pointer(), do, dv, temp)
		g.dk.Run(worker, ds.Pointer(), queries.Pointer(), dk, temp)
		g.dq.Run(worker, ds.Pointer(), keys.Pointer(), o.Pointer(), temp)
		for r := range end - first {
			at := (first + r) * half
			rotate(buf[0][:dim], o.Float32s()[r*dim:(r+1)*dim], k.angles.cos[at:at+half], k.angles.minusSin[at:at+half])
			putSpan(dqkv, row+first+r, head*dim, buf[0][:dim])
		}
	}
}

// gather sums dk and dv of positions first to last of a key head over its query
// heads, and turns dk back.
func (k *attentionGrad) gather(worker, batch, kv, first, last int, dkAll, dvAll unsafe.Pointer) {
	dqkv := k.in.Out[0]
	group, dim, half := k.Heads.Heads/k.KVHeads, k.HeadDim, k.HeadDim/2
	n := k.Batch * k.Heads.Heads * k.Seq * dim
	dks, dvs := unsafe.Slice((*float32)(dkAll), n), unsafe.Slice((*float32)(dvAll), n)
	sum, turned := k.bufs[worker][0][:dim], k.bufs[worker][1][:dim]
	for t := first; t < last; t++ {
		of := func(x []float32, h int) []float32 {
			at := ((batch*k.Heads.Heads+kv*group+h)*k.Seq + t) * dim
			return x[at : at+dim]
		}
		copy(sum, of(dks, 0))
		for h := 1; h < group; h++ {
			add(sum, sum, of(dks, h))
		}
		rotate(turned, sum, k.angles.cos[t*half:(t+1)*half], k.angles.minusSin[t*half:(t+1)*half])
		putSpan(dqkv, batch*k.Seq+t, (k.Heads.Heads+kv)*dim, turned)
		copy(sum, of(dvs, 0))
		for h := 1; h < group; h++ {
			add(sum, sum, of(dvs, h))
		}
		putSpan(dqkv, batch*k.Seq+t, (k.Heads.Heads+k.KVHeads+kv)*dim, sum)
	}
}
