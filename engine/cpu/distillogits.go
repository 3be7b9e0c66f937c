package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/cpu/onednn"
)

// chunkLogits makes the logits of a chunk of tokens from hidden states and an
// output matrix: those of a teacher beside the student's own. For a matmul in
// bf16, states in float32 are rounded first.
type chunkLogits struct {
	d            *Device
	hidden, head *engine.Tensor // [N,E], [V,E]
	typ          engine.DType   // of the matmul
	full, last   *tiled         // of a whole chunk and of the last one; nil with package bf16

	packed, rounded, rest int64 // places in scratch memory
}

func newChunkLogits(d *Device, hidden, head *engine.Tensor, typ engine.DType, l *layout) (*chunkLogits, error) {
	k := &chunkLogits{d: d, hidden: hidden, head: head, typ: typ}
	n, rows := hidden.Rows(), min(hidden.Rows(), headTokens)
	vocab, dim := head.Rows(), head.Cols()
	if k.rounds() {
		k.rounded = l.take(2 * int64(rows) * int64(dim))
	}
	if typ == engine.BF16 && d.pairs {
		k.packed = l.take(2 * int64(bf16.PackedLen(dim, vocab)))
		return k, nil
	}
	if _, err := weightRows([]*engine.Tensor{head}, typ); err != nil {
		return nil, err
	}
	columns := min(ceil(ceil(vocab, 4*d.Workers()), tileCols)*tileCols, vocab)
	t := elementType(typ)
	for _, p := range []struct {
		rows int
		to   **tiled
	}{{rows, &k.full}, {(n-1)%headTokens + 1, &k.last}} {
		desc := onednn.Desc{M: p.rows, N: vocab, K: dim, A: t, B: t, C: onednn.F32, TransB: true, LDA: dim, LDB: dim, LDC: vocab}
		var err error
		if *p.to, err = d.newTiles(desc, p.rows, columns); err != nil {
			return nil, err
		}
	}
	k.rest = l.take(scratchOf(d, k.full, k.last))
	return k, nil
}

func (k *chunkLogits) rounds() bool { return k.typ == engine.BF16 && k.hidden.DType == engine.F32 }

// prepare is called once before the chunks of a run.
func (k *chunkLogits) prepare(scratch unsafe.Pointer) {
	if k.full == nil {
		rowProduct{d: k.d, n: k.head.Rows(), k: k.head.Cols(), transposed: true}.pack(unsafe.Add(scratch, k.packed), k.head)
	}
}

// run makes the logits [n,V] of n tokens from the first on.
func (k *chunkLogits) run(first, n int, scratch, logits unsafe.Pointer) {
	vocab, dim := k.head.Rows(), k.head.Cols()
	rows := offset(k.hidden.Pointer(), first*dim, k.hidden.DType)
	if k.rounds() {
		states, rounded := matrixAt[float32](rows, 0, n*dim), matrixAt[uint16](unsafe.Add(scratch, k.rounded), 0, n*dim)
		k.d.rows(n, func(_, from, to int) { convert(rounded[from*dim:to*dim], states[from*dim:to*dim]) })
		rows = unsafe.Add(scratch, k.rounded)
	}
	if k.full != nil {
		p := k.full
		if n < p.desc.M {
			p = k.last
		}
		p.run(k.d, rows, k.head.As(k.typ).Pointer(), logits, unsafe.Add(scratch, k.rest))
		return
	}
	packed := unsafe.Add(scratch, k.packed)
	k.d.run(ceil(vocab, headColumns), func(_, i int) {
		v := i * headColumns
		bf16.Product(n, min(headColumns, vocab-v), dim, rows, dim, offset(packed, bf16.PackedLen(dim, v), engine.BF16), dim,
			offset(logits, v, engine.F32), vocab, bf16.Set)
	})
}
