package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cpu/bf16"
	"mobilellm/engine/cpu/f32"
	"mobilellm/engine/cpu/onednn"
	"mobilellm/engine/op"
)

func init() { engine.Register(kernels, newAttention) }

type angleKey struct {
	rope   op.RoPE
	t, dim int
}

// angles are RoPE's cosines and sines, [T, D/2] each.
type angles struct{ cos, sin, minusSin []float32 }

func (d *Device) anglesOf(h op.Heads) *angles {
	key := angleKey{h.RoPE, h.Seq, h.HeadDim}
	if a := d.angles[key]; a != nil {
		return a
	}
	cos, sin := h.RoPE.Table(h.Seq, h.HeadDim)
	a := &angles{make([]float32, len(cos)), make([]float32, len(cos)), make([]float32, len(cos))}
	for i := range cos {
		a.cos[i], a.sin[i], a.minusSin[i] = float32(cos[i]), float32(sin[i]), float32(-sin[i])
	}
	d.angles[key] = a
	return a
}

// blocks splits the queries of a sequence in blocks of rows. A block's scores
// reach from the first key to its own last one; the keys beyond are skipped.
// Blocks are so sized that their scores stay in the second-level cache.
type blocks struct {
	op.Heads
	typ    engine.DType   // of q, k and v
	rows   int            // Bq
	starts *engine.Tensor // of each token's document in its sequence; nil where attention crosses documents
}

// maxBlock is the largest block of queries.
const maxBlock = 128

func newBlocks(h op.Heads, typ engine.DType, starts *engine.Tensor) blocks {
	rows := maxBlock
	for rows > 32 && rows*h.Seq > 128*1024 {
		rows /= 2
	}
	return blocks{h, typ, min(rows, h.Seq), starts}
}

func (b *blocks) count() int { return ceil(b.Seq, b.rows) }

// bounds are block i's first query and the first key it does not see.
func (b *blocks) bounds(i int) (first, end int) {
	return i * b.rows, min((i+1)*b.rows, b.Seq)
}

// firstKey is the first key of its sequence that the query at a row of qkv
// sees.
func (b *blocks) firstKey(row int) int {
	if b.starts == nil {
		return 0
	}
	return int(b.starts.Ids()[row])
}

// documentStarts is the input i of an attention that is masked, nil of one that
// is not.
func documentStarts(in *engine.Instr, i int) *engine.Tensor {
	if i < len(in.In) {
		return in.In[i]
	}
	return nil
}

// scoreScale is 1/√D.
func (b *blocks) scoreScale() float32 { return float32(1 / math.Sqrt(float64(b.HeadDim))) }

// keyColumn and valueColumn locate head i's key and value in a row of qkv.
func (b *blocks) keyColumn(i int) int {
	return (b.Heads.Heads + i/(b.Heads.Heads/b.KVHeads)) * b.HeadDim
}

func (b *blocks) valueColumn(i int) int { return b.keyColumn(i) + b.KVHeads*b.HeadDim }

// matrixAt views scratch memory.
func matrixAt[E elem](scratch unsafe.Pointer, at int64, n int) []E {
	return unsafe.Slice((*E)(unsafe.Add(scratch, at)), n)
}

func pointer[E elem](x []E) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

// rotated fills dst[n,D] with rows of a head of qkv, with RoPE applied.
func rotated(b *blocks, dst []float32, qkv *engine.Tensor, row, column, position, n int, a *angles) {
	d, h := b.HeadDim, b.HeadDim/2
	for i := range n {
		p := (position + i) * h
		x := rowOf[float32](qkv, row+i)[column : column+d]
		rotate(dst[i*d:(i+1)*d], x, a.cos[p:p+h], a.sin[p:p+h])
	}
}

// layout hands out consecutive pieces of a worker's scratch memory.
type layout struct{ size int64 }

func (l *layout) take(bytes int64) int64 {
	at := l.size
	l.size += aligned(bytes)
	return at
}

// attention, in float32, computes out and the log-sum-exp, one task for each head of each
// sequence: scores of a block of queries against all keys they see, softmax,
// matmul with the values.
type attention struct {
	d  *Device
	in *engine.Instr
	blocks
	angles *angles
	scores []product // of each block: S = Q·Kᵀ
	values []product // O = P·V

	worker              layout
	k, q, s, p, o, temp int64
}

func newAttention(d *Device, in *engine.Instr, o op.AttentionOp) (engine.Kernel, error) {
	h := o.Heads
	qkv, starts := in.In[0], documentStarts(in, 1)
	if qkv.DType == engine.BF16 {
		if !bf16.Available() {
			return nil, errNoBF16
		}
		return newAttentionBF16(d, in, h, starts), nil
	}
	k := &attention{d: d, in: in, blocks: newBlocks(h, qkv.DType, starts), angles: d.anglesOf(h)}
	t, e := elementType(k.typ), k.typ.Size()
	var temp int64
	for i := range k.count() {
		first, end := k.bounds(i)
		s, err := d.causal(onednn.Desc{
			M: end - first, N: end, K: h.HeadDim, A: t, B: t, C: onednn.F32, TransB: true,
			LDA: h.HeadDim, LDB: h.HeadDim, LDC: h.Seq,
		}, f32.KeysAreColumns, first)
		if err != nil {
			return nil, err
		}
		v, err := d.causal(onednn.Desc{
			M: end - first, N: h.HeadDim, K: end, A: t, B: t, C: onednn.F32,
			LDA: h.Seq, LDB: h.Width(), LDC: h.HeadDim,
		}, f32.KeysAreSummed, first)
		if err != nil {
			return nil, err
		}
		k.scores, k.values = append(k.scores, s), append(k.values, v)
		temp = max(temp, s.Scratch(), v.Scratch())
	}
	w := &k.worker
	k.k = w.take(int64(h.Seq*h.HeadDim) * e)
	k.q = w.take(int64(k.rows*h.HeadDim) * e)
	k.s = w.take(int64(k.rows*h.Seq) * 4)
	k.p = k.s
	k.o = w.take(int64(k.rows*h.HeadDim) * 4)
	k.temp = w.take(temp)
	return k, nil
}

func (k *attention) Scratch() int64 { return k.worker.size * int64(k.d.Workers()) }

func (k *attention) Run(scratch unsafe.Pointer, _ bool) {
	k.d.run(k.Batch*k.Heads.Heads, func(worker, i int) {
		k.head(worker, i, unsafe.Add(scratch, int64(worker)*k.worker.size))
	})
}

// head computes head i of all sequences' heads.
func (k *attention) head(worker, i int, scratch unsafe.Pointer) {
	qkv, out, lse := k.in.In[0], k.in.Out[0], k.in.Out[1]
	batch, head := i/k.Heads.Heads, i%k.Heads.Heads
	dim, row := k.HeadDim, batch*k.Seq
	keys := matrixAt[float32](scratch, k.k, k.Seq*dim)
	queries := matrixAt[float32](scratch, k.q, k.rows*dim)
	s := matrixAt[float32](scratch, k.s, k.rows*k.Seq)
	p := matrixAt[float32](scratch, k.p, k.rows*k.Seq)
	o := matrixAt[float32](scratch, k.o, k.rows*dim)
	temp := unsafe.Add(scratch, k.temp)
	v := offset(qkv.Pointer(), row*qkv.Cols()+k.valueColumn(head), k.typ)
	a := k.scoreScale()
	rotated(&k.blocks, keys, qkv, row, k.keyColumn(head), 0, k.Seq, k.angles)
	for b := range k.count() {
		first, end := k.bounds(b)
		rotated(&k.blocks, queries, qkv, row+first, head*dim, first, end-first, k.angles)
		k.scores[b].Run(worker, pointer(queries), pointer(keys), pointer(s), temp)
		var sums [maxBlock]float32
		for r := range end - first {
			from, seen := k.firstKey(row+first+r), first+r+1
			x, e := s[r*k.Seq:r*k.Seq+end], p[r*k.Seq:r*k.Seq+end]
			top := a * largest(x[from:seen])
			sums[r] = expSum(e[from:seen], x[from:seen], a, top)
			clear(e[:from])
			clear(e[seen:])
			if lse != nil {
				lse.Float32s()[(row+first+r)*k.Heads.Heads+head] = top + float32(math.Log(float64(sums[r])))
			}
		}
		k.values[b].Run(worker, pointer(p), v, pointer(o), temp)
		for r := range end - first {
			y := rowOf[float32](out, row+first+r)[head*dim : (head+1)*dim]
			scale(y, 1/sums[r], o[r*dim:(r+1)*dim])
		}
	}
}
