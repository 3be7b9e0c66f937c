package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/panel"
	"mobilellm/engine/op"
)

func init() { engine.Register(kernels, newCachedAttention) }

// cachedAttention attends to what is in a KV cache ([op.Cache]).
type cachedAttention struct {
	d      *Device
	in     *engine.Instr
	o      op.CachedAttentionOp
	angles *angles
	heads  int // query heads of a task

	queries int64 // bytes of the rotated queries of all rows
	scores  int64 // bytes of a worker's scores
	turned  [][][]float32
	scratch unsafe.Pointer // of the run
	rows    rowsKernel
	part    func(worker, i int)
}

func newCachedAttention(d *Device, in *engine.Instr, o op.CachedAttentionOp) (engine.Kernel, error) {
	if in.In[0].DType != engine.F32 {
		return nil, fmt.Errorf("q, k and v are %v, want float32", in.In[0].DType)
	}
	k := &cachedAttention{d: d, in: in, o: o, angles: d.anglesOf(op.Heads{Seq: o.Context, HeadDim: o.HeadDim, RoPE: o.RoPE})}
	// One row is shared among the workers by its heads; of many each reads the keys
	// once for all heads that share them.
	k.heads = o.Heads / o.KVHeads
	if in.In[0].Rows() < 2*d.Workers() {
		k.heads = 1
	}
	k.queries = aligned(4 * int64(in.In[0].Rows()*o.Heads*o.HeadDim))
	k.scores = aligned(4 * int64(k.heads*o.Context))
	k.turned = d.buffers(1, o.HeadDim)
	k.rows = newRowsKernel(d, in.In[0].Rows(), func(worker, first, last int) {
		for n := first; n < last; n++ {
			if in.In[3].Ids()[n] >= 0 {
				k.enter(n, k.turned[worker][0])
			}
		}
	})
	k.part = k.some
	return k, nil
}

func (k *cachedAttention) Scratch() int64 { return k.queries + k.scores*int64(k.d.Workers()) }

func (k *cachedAttention) Run(scratch unsafe.Pointer, _ bool) {
	k.scratch = scratch
	k.rows.Run(nil, false)
	k.d.run(k.in.In[0].Rows()*(k.o.Heads/k.heads), k.part)
}

// query is head i of row n's query, turned by its position.
func (k *cachedAttention) query(n, i int) []float32 {
	d := k.o.HeadDim
	return matrixAt[float32](k.scratch, int64(4*(n*k.o.Heads+i)*d), k.heads*d)
}

// some attends for some heads of a row.
func (k *cachedAttention) some(worker, i int) {
	parts := k.o.Heads / k.heads
	n, head := k.in.In[0].Rows()-1-i/parts, i%parts*k.heads // the last rows read most: they come first
	y := rowOf[float32](k.in.Out[0], n)[head*k.o.HeadDim:][:k.heads*k.o.HeadDim]
	if k.in.In[3].Ids()[n] < 0 {
		clear(y)
		return
	}
	s := matrixAt[float32](k.scratch, k.queries+int64(worker)*k.scores, k.heads*k.o.Context)
	k.attend(n, head, y, k.query(n, head), s)
}

// blocks are those of row n's sequence.
func (k *cachedAttention) blocks(n int) []int32 {
	return k.in.In[4].Ids()[int(k.in.In[3].Ids()[n])*k.o.Table():][:k.o.Table()]
}

// enter turns the queries of row n by its position, and writes its keys, turned, and
// values to the cache.
func (k *cachedAttention) enter(n int, turned []float32) {
	d, position := k.o.HeadDim, int(k.in.In[2].Ids()[n])
	row, cache := rowOf[float32](k.in.In[0], n), k.in.In[1]
	cos, sin := k.angles.cos[position*d/2:][:d/2], k.angles.sin[position*d/2:][:d/2]
	for i := range k.o.Heads {
		rotate(k.query(n, i)[:d], row[i*d:][:d], cos, sin)
	}
	block, at := int(k.blocks(n)[position/op.CacheBlock]), position%op.CacheBlock
	for kv := range k.o.KVHeads {
		rotate(turned, row[(k.o.Heads+kv)*d:][:d], cos, sin)
		value := row[(k.o.Heads+k.o.KVHeads+kv)*d:][:d]
		first := k.o.Keys(block, k.o.Layer, kv)
		if cache.DType == engine.BF16 {
			cacheRow(elements[uint16](cache)[first:], turned, value, at, k.o.Cache)
		} else {
			cacheRow(elements[float32](cache)[first:], turned, value, at, k.o.Cache)
		}
	}
}

// cacheRow writes a key and a value at a position of a block, which begins at dst.
func cacheRow[E elem](dst []E, key, value []float32, at int, c op.Cache) {
	for i, x := range key {
		set(&dst[c.Key(at, i)], x)
	}
	convert(dst[c.Value(at):][:len(value)], value)
}

// attend computes y for the heads of row n from head on, whose queries are q.
func (k *cachedAttention) attend(n, head int, y, q, s []float32) {
	d, cache := k.o.HeadDim, k.in.In[1]
	seen := int(k.in.In[2].Ids()[n]) + 1
	kv := head / (k.o.Heads / k.o.KVHeads)
	a := panel.Attention{
		G: k.heads, D: d, N: seen, Type: cache.DType,
		Cache: offset(cache.Pointer(), k.o.Keys(0, k.o.Layer, kv), cache.DType),
		Block: k.o.Keys(1, 0, 0), Table: k.blocks(n), LD: k.o.Context,
	}
	a.Scores(s, q)
	size := float32(1 / math.Sqrt(float64(d)))
	for g := range k.heads {
		x := s[g*k.o.Context:][:seen]
		scale(x, 1/expSum(x, x, size, size*largest(x)), x)
	}
	a.Values(y, s)
}
