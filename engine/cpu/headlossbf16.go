package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
)

// headLossBF16 is headLoss with products of package bf16. The weight is packed
// once a run in both directions, and its 32,000 rows and more are taken in
// pieces that fit the second-level cache.
type headLossBF16 struct {
	headLoss
	packed, packedRows, x, paired, dx int64
	pairedOne, dxOne                  int64
}

// headColumns is the number of logits that a worker makes at a time, and
// headRows the number of rows of dx.
const (
	headColumns = 4 * bf16.Cols
	headRows    = 132
)

func newHeadLossBF16(d *Device, in *engine.Instr) engine.Kernel {
	x, w := in.In[0], in.In[1]
	n, rows, vocab, dim := x.Rows(), min(x.Rows(), headTokens), w.Rows(), w.Cols()
	k := &headLossBF16{headLoss: headLoss{d: d, in: in, typ: engine.BF16, losses: make([]float64, rows)}}
	for first := 0; first < n; first += headTokens {
		k.chunks = append(k.chunks, headChunk{first: first, n: min(headTokens, n-first)})
	}
	l, workers := &k.layout, int64(d.Workers())
	k.packed = l.take(2 * int64(bf16.PackedLen(dim, vocab)))
	k.logits = l.take(4 * int64(rows) * int64(vocab))
	if k.trains() {
		k.gradients = k.logits // each row of them, in the first half of its logits' memory
		k.packedRows = l.take(2 * int64(bf16.PackedLen(even(vocab), dim)))
		k.x = l.take(2 * int64(bf16.PackedLen(rows, dim)))
		k.pairedOne = aligned(2 * int64(bf16.PairedLen(rows, bf16Columns)))
		k.dxOne = aligned(4 * int64(headRows) * int64(dim))
		k.paired, k.dx = l.take(k.pairedOne*workers), l.take(k.dxOne*workers)
	}
	return k
}

func even(n int) int { return (n + 1) &^ 1 }

func (k *headLossBF16) Run(scratch unsafe.Pointer, accumulating bool) {
	w := k.in.In[1]
	at := func(o int64) unsafe.Pointer { return unsafe.Add(scratch, o) }
	rowProduct{d: k.d, n: w.Rows(), k: w.Cols(), transposed: true}.pack(at(k.packed), w.Pointer())
	if k.trains() {
		k.packWeightRows(at(k.packedRows))
	}
	var loss float64
	for i := range k.chunks {
		c := &k.chunks[i]
		k.makeLogits(c, at(k.packed), at(k.logits))
		loss += k.crossEntropy(c, at(k.logits), at(k.gradients))
		if k.in.Out[1] != nil {
			k.makeDX(c, at(k.gradients), at(k.packedRows), at(k.dx))
		}
		if k.in.Out[2] != nil {
			k.addDW(c, at(k.gradients), at(k.x), at(k.paired), i > 0 || k.in.Store[2].Adds(accumulating))
		}
	}
	if k.in.Out[0] != nil {
		k.in.Out[0].Float32s()[0] = float32(loss * float64(k.in.In[3].Float32s()[0]))
	}
}

// packWeightRows packs the weight for dx, in pieces of bf16Depth rows.
func (k *headLossBF16) packWeightRows(dst unsafe.Pointer) {
	w := k.in.In[1]
	vocab, dim := w.Rows(), w.Cols()
	k.d.run(ceil(vocab, bf16Depth), func(_, i int) {
		v := i * bf16Depth
		bf16.RoundPack(offset(dst, bf16.PackedLen(v, dim), engine.BF16), offset(w.Pointer(), v*dim, engine.F32), dim, min(bf16Depth, vocab-v), dim)
	})
}

func (k *headLossBF16) makeLogits(c *headChunk, packed, logits unsafe.Pointer) {
	x, vocab := k.in.In[0], k.in.In[1].Rows()
	dim := x.Cols()
	a := offset(x.Pointer(), c.first*dim, engine.BF16)
	k.d.run(ceil(vocab, headColumns), func(_, i int) {
		v := i * headColumns
		bf16.Product(c.n, min(headColumns, vocab-v), dim, a, dim, offset(packed, bf16.PackedLen(dim, v), engine.BF16), dim,
			offset(logits, v, engine.F32), vocab, bf16.Set)
	})
}

func (k *headLossBF16) makeDX(c *headChunk, gradients, packed, sums unsafe.Pointer) {
	dx, vocab := k.in.Out[1], k.in.In[1].Rows()
	dim, stride := dx.Cols(), k.gradientStride()
	k.d.run(ceil(c.n, headRows), func(worker, i int) {
		r := i * headRows
		n := min(headRows, c.n-r)
		own := unsafe.Add(sums, int64(worker)*k.dxOne)
		for v := 0; v < vocab; v += bf16Depth {
			depth := min(bf16Depth, vocab-v)
			bf16.Product(n, dim, even(depth), offset(gradients, r*stride+v, engine.BF16), stride,
				offset(packed, bf16.PackedLen(v, dim), engine.BF16), depth, own, dim, storeAs(engine.F32, v > 0))
		}
		rows := elements[uint16](dx)[(c.first+r)*dim:][:n*dim]
		convert(rows, matrixAt[float32](own, 0, n*dim))
	})
}

func (k *headLossBF16) addDW(c *headChunk, gradients, packed, paired unsafe.Pointer, adds bool) {
	x, vocab := k.in.In[0], k.in.In[1].Rows()
	dim := x.Cols()
	k.d.packRows(packed, offset(x.Pointer(), c.first*dim, engine.BF16), c.n, dim)
	g := weightGradient{
		n: c.n, o: vocab, c: dim, dy: gradients, stride: k.gradientStride(), typ: engine.BF16,
		packed: packed, dw: k.in.Out[2].Pointer(), adds: adds,
	}
	k.d.run(ceil(vocab, bf16Columns), func(worker, i int) {
		g.rows(i*bf16Columns, unsafe.Add(paired, int64(worker)*k.pairedOne))
	})
}
