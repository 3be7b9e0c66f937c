package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() { engine.Register(kernels, newTopLogProbs) }

// topLogProbs takes the tokens in chunks as headLoss does.
type topLogProbs struct {
	in     *engine.Instr
	k      int
	logits *chunkLogits

	layout        layout
	chunk         int64
	best, bestOne int64 // for each worker, the k found so far
}

// candidate is one of the top-k logits found so far.
type candidate struct {
	logit float32
	id    int32
}

// below reports whether c gives way to d: it is smaller, or of a higher id.
func (c candidate) below(d candidate) bool {
	return c.logit < d.logit || c.logit == d.logit && c.id > d.id
}

func newTopLogProbs(d *Device, in *engine.Instr, o op.TopLogProbsOp) (engine.Kernel, error) {
	t := &topLogProbs{in: in, k: o.K}
	var err error
	if t.logits, err = newChunkLogits(d, in.In[0], in.In[1], in.In[0].DType, &t.layout); err != nil {
		return nil, err
	}
	t.chunk = t.layout.take(4 * int64(min(in.In[0].Rows(), headTokens)) * int64(in.In[1].Rows()))
	t.bestOne = aligned(int64(t.k) * int64(unsafe.Sizeof(candidate{})))
	t.best = t.layout.take(t.bestOne * int64(d.Workers()))
	return t, nil
}

func (t *topLogProbs) Scratch() int64 { return t.layout.size }

func (t *topLogProbs) Run(scratch unsafe.Pointer, _ bool) {
	d, n, vocab := t.logits.d, t.in.In[0].Rows(), t.in.In[1].Rows()
	t.logits.prepare(scratch)
	logits := unsafe.Add(scratch, t.chunk)
	for first := 0; first < n; first += headTokens {
		rows := min(headTokens, n-first)
		t.logits.run(first, rows, scratch, logits)
		d.run(rows, func(worker, r int) {
			best := unsafe.Slice((*candidate)(unsafe.Add(scratch, t.best+int64(worker)*t.bestOne)), t.k)
			x := matrixAt[float32](logits, int64(4*r*vocab), vocab)
			largestOf(best, x)
			top := best[0].logit
			lse := float64(top) + math.Log(float64(expSum(x, x, 1, top)))
			for i, c := range best {
				if logp := t.in.Out[0]; logp != nil {
					rowOf[float32](logp, first+r)[i] = float32(float64(c.logit) - lse)
				}
				if ids := t.in.Out[1]; ids != nil {
					rowOf[float32](ids, first+r)[i] = float32(c.id)
				}
			}
		})
	}
}

// largestOf fills best with the largest of x, the first before the others. Its
// heap has the one that gives way first at its root.
func largestOf(best []candidate, x []float32) {
	for i := range best {
		best[i] = candidate{x[i], int32(i)}
	}
	for i := len(best)/2 - 1; i >= 0; i-- {
		sink(best, i)
	}
	least := best[0].logit
	for i := len(best); i < len(x); i++ {
		if x[i] > least { // of equals the earlier stays
			best[0] = candidate{x[i], int32(i)}
			sink(best, 0)
			least = best[0].logit
		}
	}
	for n := len(best) - 1; n > 0; n-- { // the least to the end
		best[0], best[n] = best[n], best[0]
		sink(best[:n], 0)
	}
}

func sink(heap []candidate, i int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && heap[child+1].below(heap[child]) {
			child++
		}
		if !heap[child].below(heap[i]) {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}
