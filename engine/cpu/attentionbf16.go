package cpu

import (
	"math"
	"slices"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/op"
)

// attentionBF16 is attention on package bf16. A task is a part of a head of a
// sequence; keys and values are packed once a task. Panels of keys before the
// documents of a block's queries are left out, and so is what causality hides, in
// steps of a tile.
type attentionBF16 struct {
	d  *Device
	in *engine.Instr
	blocks
	angles *angles

	parts int // of each head

	worker                              layout
	k, q, keys, values, s, o, top, sums int64
}

// tasksEach is the least number of tasks for each worker where heads can be split:
// enough for the workers to come out even.
const tasksEach = 8

// queryBlock is the number of queries in a block: a multiple of the tile's
// height, and so many that their scores stay in the second-level cache.
func queryBlock(seq int) int {
	const largest, scores, tile = 96, 96 * 1024, 12
	return min(seq, max(tile, min(largest, scores/seq/tile*tile)))
}

func newAttentionBF16(d *Device, in *engine.Instr, h op.Heads, starts *engine.Tensor) engine.Kernel {
	k := &attentionBF16{d: d, in: in, blocks: blocks{h, engine.BF16, queryBlock(h.Seq), starts}, angles: d.anglesOf(h)}
	k.parts = min(ceil(tasksEach*d.Workers(), h.Batch*h.Heads), k.count())
	w, dim := &k.worker, int64(h.HeadDim)
	k.k = w.take(2 * int64(h.Seq) * dim)
	k.q = w.take(2 * int64(k.rows) * dim)
	k.keys = w.take(2 * int64(bf16.PackedLen(h.HeadDim, h.Seq)))
	k.values = w.take(2 * int64(bf16.PackedLen(h.Seq, h.HeadDim)))
	k.s = w.take(4 * int64(k.rows) * int64(panels(h.Seq)))
	k.o = w.take(4 * int64(k.rows) * dim)
	k.top, k.sums = w.take(4*int64(k.rows)), w.take(4*int64(k.rows))
	return k
}

// panels is n filled up to whole panels.
func panels(n int) int { return ceil(n, bf16.Cols) * bf16.Cols }

// hidden is the number of keys at the beginning of a sequence, in whole panels,
// that none of the n queries from a row of qkv on sees.
func (b *blocks) hidden(row, n int) int {
	if b.starts == nil {
		return 0
	}
	return int(slices.Min(b.starts.Ids()[row:row+n])) / bf16.Cols * bf16.Cols
}

// block describes the queries first … first+n−1 of the sequence at a row of qkv
// beside the given number of keys from skip on.
func (b *blocks) block(row, first, n, skip, keys, stride int) bf16.Block {
	x := bf16.Block{Queries: n, Keys: keys, First: first - skip, Stride: stride, Skip: skip, Scale: b.scoreScale()}
	if b.starts != nil {
		x.From = unsafe.Pointer(&b.starts.Ids()[row+first])
	}
	return x
}

// keysFrom and rowsFrom are a packed right side, of depth rows, without its
// first columns or rows, in whole panels.
func keysFrom(packed unsafe.Pointer, depth, columns int) unsafe.Pointer {
	return offset(packed, bf16.PackedLen(depth, columns), engine.BF16)
}

func rowsFrom(packed unsafe.Pointer, rows int) unsafe.Pointer {
	return offset(packed, rows*bf16.Cols, engine.BF16)
}

// from are the angles from a position on.
func (a *angles) from(position, half int) (cos, sin, minusSin unsafe.Pointer) {
	at := position * half
	return pointer(a.cos[at:]), pointer(a.sin[at:]), pointer(a.minusSin[at:])
}

// rotated writes n rows of a head of qkv, with RoPE applied.
func (b *blocks) rotated(dst unsafe.Pointer, qkv *engine.Tensor, a *angles, row, column, position, n int) {
	cos, sin, _ := a.from(position, b.HeadDim/2)
	bf16.Rotate(dst, b.HeadDim, columnsAt(qkv, row+position, column), qkv.Cols(), cos, sin, n, b.HeadDim/2)
}

// columnsAt is the address of a matrix's element.
func columnsAt(t *engine.Tensor, row, column int) unsafe.Pointer {
	return offset(t.Pointer(), row*t.Cols()+column, t.DType)
}

func (k *attentionBF16) Scratch() int64 { return k.worker.size * int64(k.d.Workers()) }

func (k *attentionBF16) Run(scratch unsafe.Pointer, _ bool) {
	k.d.run(k.Batch*k.Heads.Heads*k.parts, func(worker, i int) {
		k.head(i/k.parts, i%k.parts, unsafe.Add(scratch, int64(worker)*k.worker.size))
	})
}

// firstBlock is the first block of a part of a head: causal attention gives each
// part as many scores as the others.
func (k *attentionBF16) firstBlock(part int) int {
	return int(math.Round(float64(k.count()) * math.Sqrt(float64(part)/float64(k.parts))))
}

func (k *attentionBF16) head(i, part int, scratch unsafe.Pointer) {
	qkv, out, lse := k.in.In[0], k.in.Out[0], k.in.Out[1]
	batch, head := i/k.Heads.Heads, i%k.Heads.Heads
	dim, row, stride := k.HeadDim, batch*k.Seq, panels(k.Seq)
	at := func(o int64) unsafe.Pointer { return unsafe.Add(scratch, o) }
	queries, keys, values, o := at(k.q), at(k.keys), at(k.values), at(k.o)
	top, sums := matrixAt[float32](scratch, k.top, k.rows), matrixAt[float32](scratch, k.sums, k.rows)

	from, to := k.firstBlock(part), k.firstBlock(part+1)
	if from == to {
		return
	}
	_, seen := k.bounds(to - 1)
	k.rotated(at(k.k), qkv, k.angles, row, k.keyColumn(head), 0, seen)
	bf16.PackTransposed(keys, at(k.k), dim, dim, seen)
	bf16.Pack(values, columnsAt(qkv, row, k.valueColumn(head)), qkv.Cols(), seen, dim)
	for b := from; b < to; b++ {
		first, end := k.bounds(b)
		n, skip := end-first, k.hidden(row+first, end-first)
		width := end - skip
		k.rotated(queries, qkv, k.angles, row, head*dim, first, n)
		bf16.CausalProduct(n, width, dim, queries, dim, keysFrom(keys, dim, skip), dim, at(k.s), stride, bf16.Set,
			bf16.Causal{Side: bf16.KeysAreColumns, First: first - skip})
		k.block(row, first, n, skip, even(width), stride).Softmax(at(k.s), pointer(top), pointer(sums))
		bf16.CausalProduct(n, dim, even(width), at(k.s), 2*stride, rowsFrom(values, skip), seen, o, dim, bf16.Set,
			bf16.Causal{Side: bf16.KeysAreSummed, First: first - skip})
		bf16.DivideRows(columnsAt(out, row+first, head*dim), out.Cols(), o, pointer(sums), n, dim)
		if lse == nil {
			continue
		}
		statistics := lse.Float32s()
		for r := range n {
			statistics[(row+first+r)*k.Heads.Heads+head] = top[r] + float32(math.Log(float64(sums[r])))
		}
	}
}
