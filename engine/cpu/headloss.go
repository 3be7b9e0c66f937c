package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/onednn"
	"mobilellm/engine/op"
)

func init() { engine.Register(kernels, newHeadLoss) }

// headLoss takes the tokens in chunks, so that only a chunk's logits exist at a
// time: logits, then loss and the gradient of the logits in their place, then
// the chunk's dx and its part of dw.
type headLoss struct {
	d      *Device
	in     *engine.Instr
	typ    engine.DType
	chunks []headChunk
	losses []float64      // of each row of a chunk
	soft   *softLoss      // a teacher, where there is one
	logp   *engine.Tensor // of each token's target; nil where nobody reads it
	z      zLoss

	layout                  layout
	logits, gradients, rest int64
}

// headChunk are the matmuls of one chunk of tokens.
type headChunk struct {
	first, n     int
	logits, dx   *tiled
	setDW, addDW *tiled
}

// headTokens is the number of tokens in a chunk: enough for full speed of the
// three matmuls, 64 MB of logits for a vocabulary of 32,000.
const headTokens = 512

func newHeadLoss(d *Device, in *engine.Instr, o op.HeadLossOp) (engine.Kernel, error) {
	if in.In[0].DType == engine.BF16 && d.pairs {
		return newHeadLossBF16(d, in, o), nil
	}
	k, err := newFullHeadLoss(d, in, nil)
	if err != nil {
		return nil, err
	}
	k.logp, k.z = in.Out[3], newZLoss(in, o)
	return k, nil
}

func newFullHeadLoss(d *Device, in *engine.Instr, soft *softLoss) (*headLoss, error) {
	x, w := in.In[0], in.In[1]
	n, vocab := x.Rows(), w.Rows()
	k := &headLoss{d: d, in: in, typ: x.DType, losses: make([]float64, min(n, headTokens)), soft: soft}
	if _, err := weightRows(in.In[1:2], k.typ); err != nil {
		return nil, err
	}
	var rest int64
	for first := 0; first < n; first += headTokens {
		c, err := k.chunk(first, min(headTokens, n-first))
		if err != nil {
			return nil, err
		}
		k.chunks = append(k.chunks, c)
		rest = max(rest, scratchOf(d, c.logits, c.dx, c.setDW, c.addDW))
	}
	rows := int64(min(n, headTokens))
	k.logits = k.layout.take(rows * int64(vocab) * 4)
	k.gradients = k.logits
	if k.typ == engine.BF16 && k.trains() {
		k.gradients = k.layout.take(rows * int64(vocab) * 2)
	}
	k.rest = k.layout.take(rest)
	return k, nil
}

// gradientStride is the number of elements from row to row of the logits'
// gradient. With package bf16 a row overwrites its own logits, which take twice
// the memory: a vector is read before it is written at half its distance.
func (k *headLoss) gradientStride() int {
	vocab := k.in.In[1].Rows()
	if k.typ == engine.BF16 && k.d.pairs {
		return 2 * vocab
	}
	return vocab
}

func (k *headLoss) trains() bool { return k.in.Out[1] != nil || k.in.Out[2] != nil }

func (k *headLoss) chunk(first, n int) (c headChunk, err error) {
	x, w := k.in.In[0], k.in.In[1]
	vocab, dim, t := w.Rows(), w.Cols(), elementType(k.typ)
	c.first, c.n = first, n
	columns := ceil(ceil(vocab, 4*k.d.Workers()), tileCols) * tileCols
	logits := onednn.Desc{M: n, N: vocab, K: dim, A: t, B: t, C: onednn.F32, TransB: true, LDA: dim, LDB: dim, LDC: vocab}
	if c.logits, err = k.d.newTiles(logits, n, min(columns, vocab)); err != nil || !k.trains() {
		return c, err
	}
	dx := onednn.Desc{M: n, N: dim, K: vocab, A: t, B: t, C: elementType(x.DType), LDA: vocab, LDB: dim, LDC: dim}
	if c.dx, err = k.d.newTiles(dx, ceil(n, k.d.Workers()), dim); err != nil || k.in.Out[2] == nil {
		return c, err
	}
	dw := onednn.Desc{M: vocab, N: dim, K: n, A: t, B: t, C: onednn.F32, TransA: true, LDA: vocab, LDB: dim, LDC: dim}
	mode := k.in.Store[2]
	if first > 0 {
		mode = engine.Accumulate
	}
	c.setDW, c.addDW, err = k.d.both(dw, mode, func(desc onednn.Desc) (*tiled, error) {
		return k.d.newTiles(desc, min(columns, vocab), dim)
	})
	return c, err
}

func (k *headLoss) Scratch() int64 { return k.layout.size }

func (k *headLoss) Run(scratch unsafe.Pointer, accumulating bool) {
	x, w := k.in.In[0], k.in.In[1].As(k.typ)
	logits := unsafe.Add(scratch, k.logits)
	gradients := unsafe.Add(scratch, k.gradients)
	rest := unsafe.Add(scratch, k.rest)
	var loss float64
	for i := range k.chunks {
		c := &k.chunks[i]
		rows := offset(x.Pointer(), c.first*x.Cols(), x.DType)
		c.logits.run(k.d, rows, w.Pointer(), logits, rest)
		loss += k.crossEntropy(c, logits, gradients)
		if k.in.Out[1] != nil {
			dx := k.in.Out[1]
			c.dx.run(k.d, gradients, w.Pointer(), offset(dx.Pointer(), c.first*dx.Cols(), dx.DType), rest)
		}
		if k.in.Out[2] != nil {
			p := c.addDW
			if i == 0 {
				p = choose(c.setDW, c.addDW, k.in.Store[2], accumulating)
			}
			p.run(k.d, gradients, rows, k.in.Out[2].Pointer(), rest)
		}
	}
	if k.in.Out[0] != nil {
		k.in.Out[0].Float32s()[0] = float32(loss * float64(k.in.In[3].Float32s()[0]))
	}
	k.z.write(k.in.In[3])
}

// crossEntropy returns the chunk's summed loss and, for training, the gradient
// of the logits, which in float32 replaces them.
func (k *headLoss) crossEntropy(c *headChunk, logits, gradients unsafe.Pointer) float64 {
	const grain = 8
	if k.soft != nil {
		k.soft.begin(c)
	}
	k.d.run(ceil(c.n, grain), func(worker, i int) {
		for r := i * grain; r < min((i+1)*grain, c.n); r++ {
			switch {
			case k.soft != nil && k.typ == engine.BF16:
				k.losses[r] = distilTokenLoss[uint16](k, worker, c.first+r, r, logits, gradients)
			case k.soft != nil:
				k.losses[r] = distilTokenLoss[float32](k, worker, c.first+r, r, logits, gradients)
			case k.typ == engine.BF16:
				k.losses[r] = tokenLoss[uint16](k, c.first+r, r, logits, gradients)
			default:
				k.losses[r] = tokenLoss[float32](k, c.first+r, r, logits, gradients)
			}
		}
	})
	if k.soft != nil {
		k.soft.end(c)
	}
	writeLogProbs(k.logp, c.first, k.losses[:c.n])
	loss := k.z.add(c.n)
	for _, e := range k.losses[:c.n] {
		loss += e
	}
	return loss
}

// writeLogProbs makes the log-probabilities of the tokens from first on, unless t
// is nil. 0 minus a loss is 0, and not −0, where the token is not supervised.
func writeLogProbs(t *engine.Tensor, first int, losses []float64) {
	if t == nil {
		return
	}
	logp := t.Float32s()[first:]
	for i, loss := range losses {
		logp[i] = float32(0 - loss)
	}
}

// gradientRow is where a row's gradient of the logits goes; nil where nobody wants
// it. Its capacity is the row's memory.
func gradientRow[E elem](k *headLoss, r int, gradients unsafe.Pointer) []E {
	if !k.trains() {
		return nil
	}
	var e E
	stride := k.gradientStride()
	g := matrixAt[E](gradients, int64(r*stride)*int64(unsafe.Sizeof(e)), stride)
	return g[:k.in.In[1].Rows():stride]
}

// tokenLoss is −log softmax of a token's logits at its target. The gradient is
// softmax − 1[target], times the loss's scale, and the softmax more with a z-loss.
func tokenLoss[E elem](k *headLoss, token, r int, logits, gradients unsafe.Pointer) float64 {
	vocab, target := k.in.In[1].Rows(), k.in.In[2].Ids()[token]
	x := matrixAt[float32](logits, int64(4*r*vocab), vocab)
	g := gradientRow[E](k, r, gradients)
	if target < 0 {
		clear(g[:min(cap(g), even(len(g)))])
		k.z.keep(r, 0)
		return 0
	}
	logit, top := x[target], largest(x)
	sum := expSum(x, x, 1, top)
	more := float32(k.z.keep(r, math.Log(float64(sum))+float64(top)))
	if k.trains() {
		weight := k.in.In[3].Float32s()[0]
		hit := weight * (more*(x[target]/sum) - 1)
		scale(g, more*(weight/sum), x)
		set(&g[target], hit)
		clear(g[len(g):min(cap(g), even(len(g)))]) // the last pair's other half
	}
	return math.Log(float64(sum)) + float64(top-logit)
}
