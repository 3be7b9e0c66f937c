package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
)

// headBF16 are the matmuls of an output head of package bf16, in chunks of
// tokens. The weight is packed once a run in both directions, and its 32,000 rows
// and more are taken in pieces that fit the second-level cache.
type headBF16 struct {
	d          *Device
	in         *engine.Instr
	vocab, dim int

	layout
	packed, packedRows, x int64
	paired, dx            int64 // of worker 0
	pairedOne, dxOne      int64 // size of a worker's
	dxRows                int
	gradients             int64 // of a chunk's logits
	stride                int   // from row to row of them, in elements
}

// headColumns is the number of logits that a worker makes at a time, and
// headRows the largest number of rows of dx: the more, the less often the weight
// goes through the cache.
const (
	headColumns = 4 * bf16.Cols
	headRows    = 264
)

// take lays out the memory of a head whose loss has its own laid out by then.
func (k *headBF16) take(rows int) {
	l, workers := &k.layout, int64(k.d.Workers())
	k.packed = l.take(2 * int64(bf16.PackedLen(k.dim, k.vocab)))
	if !k.trains() {
		return
	}
	k.packedRows = l.take(2 * int64(bf16.PackedLen(even(k.vocab), k.dim)))
	k.x = l.take(2 * int64(bf16.PackedLen(rows, k.dim)))
	k.pairedOne = aligned(2 * int64(bf16.PairedLen(rows, bf16Columns)))
	const tile = 12
	k.dxRows = min(headRows, ceil(ceil(rows, k.d.Workers()), tile)*tile)
	k.dxOne = aligned(4 * int64(k.dxRows) * int64(k.dim))
	k.paired, k.dx = l.take(k.pairedOne*workers), l.take(k.dxOne*workers)
}

func even(n int) int { return (n + 1) &^ 1 }

func (k *headBF16) trains() bool { return k.in.Out[1] != nil || k.in.Out[2] != nil }

func (k *headBF16) Scratch() int64 { return k.layout.size }

// run goes through the chunks; loss returns a chunk's summed loss and leaves the
// gradient of its logits.
func (k *headBF16) run(scratch unsafe.Pointer, accumulating bool, loss func(first, n int) float64) {
	w, tokens := k.in.In[1], k.in.In[0].Rows()
	rowProduct{d: k.d, n: k.vocab, k: k.dim, transposed: true}.pack(unsafe.Add(scratch, k.packed), w)
	if k.trains() {
		k.packWeightRows(unsafe.Add(scratch, k.packedRows))
	}
	var total float64
	for first := 0; first < tokens; first += headTokens {
		n := min(headTokens, tokens-first)
		total += loss(first, n)
		if k.in.Out[1] != nil {
			k.makeDX(first, n, scratch)
		}
		if k.in.Out[2] != nil {
			k.addDW(first, n, scratch, first > 0 || k.in.Store[2].Adds(accumulating))
		}
	}
	if k.in.Out[0] != nil {
		k.in.Out[0].Float32s()[0] = float32(total * float64(k.in.In[3].Float32s()[0]))
	}
}

// packWeightRows packs the weight for dx, in pieces of bf16Depth rows.
func (k *headBF16) packWeightRows(dst unsafe.Pointer) {
	w := k.in.In[1]
	k.d.run(ceil(k.vocab, bf16Depth), func(_, i int) {
		v := i * bf16Depth
		bf16.RoundPack(offset(dst, bf16.PackedLen(v, k.dim), engine.BF16), columnsAt(w, v, 0), k.dim, min(bf16Depth, k.vocab-v), k.dim)
	})
}

// logits makes those of n tokens from first on for the vocabulary from v on.
func (k *headBF16) logits(first, n, v, width int, scratch, dst unsafe.Pointer, stride int) {
	bf16.Product(n, width, k.dim, columnsAt(k.in.In[0], first, 0), k.dim,
		offset(unsafe.Add(scratch, k.packed), bf16.PackedLen(k.dim, v), engine.BF16), k.dim, dst, stride, bf16.Set)
}

func (k *headBF16) makeDX(first, n int, scratch unsafe.Pointer) {
	dx, gradients, packed := k.in.Out[1], unsafe.Add(scratch, k.gradients), unsafe.Add(scratch, k.packedRows)
	k.d.run(ceil(n, k.dxRows), func(worker, i int) {
		r := i * k.dxRows
		m := min(k.dxRows, n-r)
		own := unsafe.Add(scratch, k.dx+int64(worker)*k.dxOne)
		for v := 0; v < k.vocab; v += bf16Depth {
			depth := min(bf16Depth, k.vocab-v)
			bf16.Product(m, k.dim, even(depth), offset(gradients, r*k.stride+v, engine.BF16), k.stride,
				offset(packed, bf16.PackedLen(v, k.dim), engine.BF16), depth, own, k.dim, storeAs(engine.F32, v > 0))
		}
		rows := elements[uint16](dx)[(first+r)*k.dim:][:m*k.dim]
		convert(rows, matrixAt[float32](own, 0, m*k.dim))
	})
}

func (k *headBF16) addDW(first, n int, scratch unsafe.Pointer, adds bool) {
	packed := unsafe.Add(scratch, k.x)
	k.d.packRows(packed, columnsAt(k.in.In[0], first, 0), n, k.dim)
	g := weightGradient{
		n: n, o: k.vocab, c: k.dim, dy: unsafe.Add(scratch, k.gradients), stride: k.stride, typ: engine.BF16,
		packed: packed, dw: k.in.Out[2].Pointer(), adds: adds,
	}
	k.d.run(ceil(k.vocab, bf16Columns), func(worker, i int) {
		g.rows(i*bf16Columns, unsafe.Add(scratch, k.paired+int64(worker)*k.pairedOne))
	})
}
