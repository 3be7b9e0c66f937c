package cpu

import (
	"unsafe"

	"mobilellm/engine"
)

// distilHeadBF16 is headLoss with a teacher on package bf16. It keeps a chunk's
// logits, as teachers are compared row by row; the gradient of a row overwrites
// its logits, which take twice the memory.
type distilHeadBF16 struct {
	headBF16
	rows headLoss // losses of rows, by their logits
	kept int64
}

func newDistilHeadBF16(d *Device, in *engine.Instr, soft *softLoss) engine.Kernel {
	x, w := in.In[0], in.In[1]
	rows := min(x.Rows(), headTokens)
	k := &distilHeadBF16{
		headBF16: headBF16{d: d, in: in, vocab: w.Rows(), dim: w.Cols(), stride: 2 * w.Rows()},
		rows:     headLoss{d: d, in: in, typ: engine.BF16, losses: make([]float64, rows), soft: soft},
	}
	k.kept = k.layout.take(4 * int64(rows) * int64(k.vocab))
	k.gradients = k.kept
	k.take(rows)
	return k
}

func (k *distilHeadBF16) Run(scratch unsafe.Pointer, accumulating bool) {
	logits := unsafe.Add(scratch, k.kept)
	k.run(scratch, accumulating, func(first, n int) float64 {
		k.d.run(ceil(k.vocab, headColumns), func(_, i int) {
			v := i * headColumns
			k.logits(first, n, v, min(headColumns, k.vocab-v), scratch, offset(logits, v, engine.F32), k.vocab)
		})
		return k.rows.crossEntropy(&headChunk{first: first, n: n}, logits, logits)
	})
}
