package cpu

import (
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newEmbedding)
	engine.Register(kernels, newEmbeddingGrad)
}

// newEmbedding copies rows in float32; ids were checked when they were written
// (engine.WriteIDs).
func newEmbedding(d *Device, in *engine.Instr, _ op.EmbeddingOp) (engine.Kernel, error) {
	if in.In[0].Packed() {
		return newPackedEmbedding(d, in), nil
	}
	w, tokens, x := in.In[0], in.In[1], in.Out[0]
	return newRowsKernel(d, x.Rows(), func(_, first, last int) {
		ids, table, c := tokens.Ids(), w.Float32s(), w.Cols()
		for n := first; n < last; n++ {
			copy(rowOf[float32](x, n), table[int(ids[n])*c:][:c])
		}
	}), nil
}

// embeddingGrad adds each token's gradient to its row. Every worker owns a
// range of columns and walks all tokens in order, so that no row is shared and
// the sum's order is fixed.
type embeddingGrad struct {
	noScratch
	d  *Device
	in *engine.Instr
}

func newEmbeddingGrad(d *Device, in *engine.Instr, _ op.EmbeddingGradOp) (engine.Kernel, error) {
	return &embeddingGrad{d: d, in: in}, nil
}

func (k *embeddingGrad) Run(_ unsafe.Pointer, accumulating bool) {
	ids, g, dw := k.in.In[0].Ids(), k.in.In[1].Float32s(), k.in.Out[0].Float32s()
	c := k.in.Out[0].Cols()
	if !k.in.Store[0].Adds(accumulating) {
		k.d.clear(dw)
	}
	piece := ceil(ceil(c, k.d.Workers()), 16) * 16
	k.d.run(ceil(c, piece), func(_, i int) {
		first, last := i*piece, min((i+1)*piece, c)
		for n, id := range ids {
			row := dw[int(id)*c+first : int(id)*c+last]
			add(row, row, g[n*c+first:n*c+last])
		}
	})
}

// clear zeroes a large array, split over the workers.
func (d *Device) clear(x []float32) {
	const piece = 1 << 16
	d.run(ceil(len(x), piece), func(_, i int) { clear(x[i*piece : min((i+1)*piece, len(x))]) })
}
