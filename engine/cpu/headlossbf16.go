package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/op"
)

// headLossBF16 is headLoss on package bf16. Logits exist in float32 for a piece
// of the vocabulary at a time, in a worker's cache: there they become exponentials
// below the piece's largest logit, in bf16. When a chunk's tokens have seen all
// pieces, what their exponentials lack to be gradients is one factor for each
// piece.
type headLossBF16 struct {
	headBF16
	pieces     int
	z          zLoss
	losses     []float64
	hits       []float32 // the logit of each token's target
	factors    [][][]float32
	tops, sums int64 // [piece, token]
	piece      int64 // logits of worker 0
	pieceOne   int64 // size of a worker's
}

func newHeadLossBF16(d *Device, in *engine.Instr, o op.HeadLossOp) engine.Kernel {
	x, w := in.In[0], in.In[1]
	rows := min(x.Rows(), headTokens)
	k := &headLossBF16{
		headBF16: headBF16{d: d, in: in, vocab: w.Rows(), dim: w.Cols(), stride: even(w.Rows())},
		pieces:   ceil(w.Rows(), headColumns), losses: make([]float64, rows), hits: make([]float32, rows),
		factors: d.buffers(1, ceil(w.Rows(), headColumns)), z: newZLoss(in, o),
	}
	l := &k.layout
	k.tops, k.sums = l.take(4*int64(rows*k.pieces)), l.take(4*int64(rows*k.pieces))
	k.pieceOne = aligned(4 * int64(rows) * headColumns)
	k.piece = l.take(k.pieceOne * int64(d.Workers()))
	if k.trains() {
		k.gradients = l.take(2 * int64(rows) * int64(k.stride))
	}
	k.take(rows)
	return k
}

func (k *headLossBF16) Run(scratch unsafe.Pointer, accumulating bool) {
	k.run(scratch, accumulating, func(first, n int) float64 {
		k.exponentials(first, n, scratch)
		return k.crossEntropy(first, n, scratch)
	})
	k.z.write(k.in.In[3])
}

func (k *headLossBF16) exponentials(first, n int, scratch unsafe.Pointer) {
	targets := k.in.In[2].Ids()[first : first+n]
	k.d.run(k.pieces, func(worker, i int) {
		v := i * headColumns
		width := min(headColumns, k.vocab-v)
		s := unsafe.Add(scratch, k.piece+int64(worker)*k.pieceOne)
		k.logits(first, n, v, width, scratch, s, headColumns)
		logits := matrixAt[float32](s, 0, n*headColumns)
		for r, target := range targets {
			if t := int(target) - v; t >= 0 && t < width {
				k.hits[r] = logits[r*headColumns+t]
			}
		}
		var e unsafe.Pointer
		if k.trains() {
			e = unsafe.Add(scratch, k.gradients+int64(2*v))
		}
		statistics := int64(4 * i * n)
		bf16.ExpRows(e, k.stride, s, headColumns, n, width, unsafe.Add(scratch, k.tops+statistics), unsafe.Add(scratch, k.sums+statistics))
	})
}

// crossEntropy returns the chunk's summed loss and, for training, turns the
// exponentials into the gradient of the logits.
func (k *headLossBF16) crossEntropy(first, n int, scratch unsafe.Pointer) float64 {
	const grain = 8
	tops, sums := matrixAt[float32](scratch, k.tops, k.pieces*n), matrixAt[float32](scratch, k.sums, k.pieces*n)
	k.d.run(ceil(n, grain), func(worker, i int) {
		for r := i * grain; r < min((i+1)*grain, n); r++ {
			k.losses[r] = k.token(first+r, r, n, tops, sums, k.factors[worker][0], unsafe.Add(scratch, k.gradients+int64(2*r*k.stride)))
		}
	})
	writeLogProbs(k.in.Out[3], first, k.losses[:n])
	loss := k.z.add(n)
	for _, e := range k.losses[:n] {
		loss += e
	}
	return loss
}

// token is −log softmax of a token's logits at its target, from the statistics
// of its pieces; factors is memory for one number a piece. The gradient is softmax − 1[target], times the loss's scale.
func (k *headLossBF16) token(token, r, n int, tops, sums, factors []float32, gradient unsafe.Pointer) float64 {
	target := int(k.in.In[2].Ids()[token])
	if target < 0 {
		k.z.keep(r, 0)
		if k.trains() {
			clear(matrixAt[uint16](gradient, 0, k.stride))
		}
		return 0
	}
	top := negInf
	for i := range k.pieces {
		top = max(top, tops[i*n+r])
	}
	var sum float64
	for i := range k.pieces {
		factors[i] = float32(math.Exp(float64(tops[i*n+r] - top)))
		sum += float64(sums[i*n+r]) * float64(factors[i])
	}
	hit := float64(k.hits[r] - top)
	more := k.z.keep(r, math.Log(sum)+float64(top))
	if k.trains() {
		weight := float64(k.in.In[3].Float32s()[0])
		for i := range factors {
			factors[i] *= float32(more * weight / sum)
		}
		bf16.ScalePieces(gradient, pointer(factors), headColumns, k.vocab)
		g := matrixAt[uint16](gradient, 0, k.stride)
		clear(g[k.vocab:]) // the last pair's other half
		set(&g[target], float32(weight*(more*math.Exp(hit)/sum-1)))
	}
	return math.Log(sum) - hit
}
