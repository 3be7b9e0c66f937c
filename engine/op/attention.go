package op

import (
	"fmt"
	"hash"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Heads are the sizes of an attention.
type Heads struct {
	Batch   int // B
	Seq     int // T
	Heads   int // H query heads
	KVHeads int // K key and value heads; each serves H/K query heads (GQA, Ainslie et al., 2023)
	HeadDim int // D
	RoPE    RoPE
}

// Width is the number of columns of q, k and v together: (H+2K)·D.
func (h Heads) Width() int { return (h.Heads + 2*h.KVHeads) * h.HeadDim }

// AttentionOp is causal self-attention with RoPE on q and k, scaled by 1/√D.
// Its parts are the output [N,H·D] and the log-sum-exp of each row of scores
// [N,H]; no T×T matrix outlives a block of rows (FlashAttention, Dao et al.,
// 2022). Masked, it has the documents' starts as a second input.
type AttentionOp struct {
	scope
	Heads
	Masked bool
}

// Attention returns out[N,H·D] of qkv[N,(H+2K)·D], whose columns are the query
// heads, the key heads and the value heads; N = B·T.
func Attention(at string, qkv *gorgonia.Node, h Heads) (*gorgonia.Node, error) {
	packed, err := apply(AttentionOp{scope: scope(at), Heads: h}, qkv)
	if err != nil {
		return nil, err
	}
	return Part(packed, 0)
}

// MaskedAttention is Attention that does not cross documents: starts[N], int32,
// is for each token the position in its sequence at which its document begins,
// and query t sees the keys s with starts[t] ≤ s ≤ t (packing without cross
// contamination, Krell et al., 2021). Positions for RoPE are those in the
// sequence: scores depend on distances only.
func MaskedAttention(at string, qkv, starts *gorgonia.Node, h Heads) (*gorgonia.Node, error) {
	packed, err := apply(AttentionOp{scope: scope(at), Heads: h, Masked: true}, qkv, starts)
	if err != nil {
		return nil, err
	}
	return Part(packed, 0)
}

func (o AttentionOp) Kind() string          { return "attention" }
func (o AttentionOp) Arity() int            { return len(o.inputs()) }
func (o AttentionOp) Type() hm.Type         { return fnType(vector, o.inputs()...) }
func (o AttentionOp) WriteHash(h hash.Hash) { writeHash(h, o, o.Heads, o.Masked) }
func (o AttentionOp) Hashcode() uint32      { return hashcode(o) }
func (o AttentionOp) String() string        { return string(o.scope) + ".attention" }
func (o AttentionOp) DiffWRT(n int) []bool  { return []bool{true, false}[:n] }
func (o AttentionOp) Parts(in []tensor.Shape) []tensor.Shape {
	n := in[0][0]
	return []tensor.Shape{{n, o.Heads.Heads * o.HeadDim}, {n, o.Heads.Heads}}
}

func (o AttentionOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

func (o AttentionOp) inputs() []rank {
	if o.Masked {
		return []rank{matrix, ids}
	}
	return []rank{matrix}
}

func (o AttentionOp) check(in []tensor.Shape) error {
	if o.KVHeads <= 0 || o.Heads.Heads%o.KVHeads != 0 {
		return fmt.Errorf("%d heads do not divide into %d kv heads", o.Heads.Heads, o.KVHeads)
	}
	if o.HeadDim <= 0 || o.HeadDim%2 != 0 {
		return fmt.Errorf("head size %d, want an even number", o.HeadDim)
	}
	if !o.RoPE.Scaling.Kind.known() {
		return fmt.Errorf("unknown kind of RoPE scaling %q", o.RoPE.Scaling.Kind)
	}
	if n := o.Batch * o.Seq; in[0][0] != n || in[0][1] != o.Width() {
		return fmt.Errorf("qkv is %v, want (%d, %d)", in[0], n, o.Width())
	}
	if o.Masked && in[1][0] != in[0][0] {
		return fmt.Errorf("starts is %v, want (%d)", in[1], in[0][0])
	}
	return nil
}

// Rounds implements Rounder: the log-sum-exp is a statistic of rows.
func (o AttentionOp) Rounds(i int) bool { return i == 0 }

// Recompute implements Recomputer.
func (o AttentionOp) Recompute() Recompute { return WithAttention }

// FLOPs implements FLOPCounter: half of the full square of scores, twice.
func (o AttentionOp) FLOPs(_, _ []tensor.Shape) int64 { return 2 * o.scoreFLOPs() }

// Do is the plain version. A document that does not begin between its sequence
// and the token itself is an error.
func (o AttentionOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	if o.Masked {
		for n, start := range v[1].Data().([]int32) {
			if start < 0 || int(start) > n%o.Seq {
				return nil, fmt.Errorf("op: attention %s: the document of token %d begins at position %d, the token is at %d", o.scope, n, start, n%o.Seq)
			}
		}
	}
	return evaluate(o, v,
		func(a operands[float32]) { attention(o.Heads, a) },
		func(a operands[float64]) { attention(o.Heads, a) })
}

func (o AttentionOp) SymDiff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	y, err := Part(out, 0)
	if err != nil {
		return nil, err
	}
	lse, err := Part(out, 1)
	if err != nil {
		return nil, err
	}
	if o.Masked {
		dqkv, err := apply(AttentionGradOp(o), in[0], y, lse, grad, in[1])
		return gorgonia.Nodes{dqkv, nil}, err
	}
	dqkv, err := apply(AttentionGradOp(o), in[0], y, lse, grad)
	return gorgonia.Nodes{dqkv}, err
}

// AttentionGradOp takes qkv, out, lse and dout, and the documents' starts where
// it is masked, to dqkv[N,(H+2K)·D]. With
// P = exp(S−lse): dV = Pᵀ·dO, dS = P∘(dO·Vᵀ − rowsum(dO∘O)), dQ = dS·K,
// dK = dSᵀ·Q (FlashAttention, algorithm 4).
type AttentionGradOp struct {
	scope
	Heads
	Masked bool
}

func (o AttentionGradOp) Kind() string          { return "attention.grad" }
func (o AttentionGradOp) Arity() int            { return len(o.inputs()) }
func (o AttentionGradOp) Type() hm.Type         { return fnType(matrix, o.inputs()...) }
func (o AttentionGradOp) WriteHash(h hash.Hash) { writeHash(h, o, o.Heads, o.Masked) }
func (o AttentionGradOp) Hashcode() uint32      { return hashcode(o) }
func (o AttentionGradOp) String() string        { return string(o.scope) + ".attention.grad" }
func (o AttentionGradOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[0].Clone()}
}

func (o AttentionGradOp) inputs() []rank {
	in := []rank{matrix, matrix, matrix, matrix}
	if o.Masked {
		in = append(in, ids)
	}
	return in
}

func (o AttentionGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

// Rounds implements Rounder.
func (o AttentionGradOp) Rounds(int) bool { return true }

// FLOPs implements FLOPCounter: four matmuls, as the fifth makes the scores again.
func (o AttentionGradOp) FLOPs(_, _ []tensor.Shape) int64 { return 4 * o.scoreFLOPs() }

// Do is the plain version.
func (o AttentionGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(o, v,
		func(a operands[float32]) { attentionBackward(o.Heads, a) },
		func(a operands[float64]) { attentionBackward(o.Heads, a) })
}

// scoreFLOPs are those of one causal T×T matmul for every head.
func (h Heads) scoreFLOPs() int64 {
	return int64(h.Batch) * int64(h.Heads) * int64(h.Seq) * int64(h.Seq) * int64(h.HeadDim)
}

// rotated is a copy of qkv with RoPE applied to its query and key heads, or
// taken back with sign −1.
func rotated[T Float](h Heads, qkv []T, sign float64) []T {
	d, w := h.HeadDim, h.Width()
	cos, sin := h.RoPE.Table(h.Seq, d)
	r := append([]T(nil), qkv...)
	for n := range h.Batch * h.Seq {
		p := (n % h.Seq) * d / 2
		for k := range h.Heads + h.KVHeads {
			x := qkv[n*w+k*d : n*w+(k+1)*d]
			rotate(r[n*w+k*d:], x, cos[p:p+d/2], sin[p:p+d/2], sign)
		}
	}
	return r
}

// head locates head i's vectors of token n in a row of q, k and v.
func (h Heads) columns(i int) (q, k, v int) {
	kv := i / (h.Heads / h.KVHeads)
	return i * h.HeadDim, (h.Heads + kv) * h.HeadDim, (h.Heads + h.KVHeads + kv) * h.HeadDim
}

// firstKey is the first key that the query at row sees.
func firstKey(starts []int32, row int) int {
	if starts == nil {
		return 0
	}
	return int(starts[row])
}

func attention[T Float](h Heads, a operands[T]) {
	d, w, scale := h.HeadDim, h.Width(), T(1/math.Sqrt(float64(h.HeadDim)))
	r := rotated(h, a.in[0], 1)
	n := h.Batch * h.Seq
	out, lse := a.out[:n*h.Heads*d], a.out[n*h.Heads*d:]
	p := make([]T, h.Seq)
	for b := range h.Batch {
		for i := range h.Heads {
			q, k, v := h.columns(i)
			for t := range h.Seq {
				row := b*h.Seq + t
				first := firstKey(a.ids, row)
				largest := T(math.Inf(-1))
				for s := first; s <= t; s++ {
					p[s] = scale * dot(r[row*w+q:], r[(b*h.Seq+s)*w+k:], d)
					largest = max(largest, p[s])
				}
				var sum T
				for s := first; s <= t; s++ {
					p[s] = T(math.Exp(float64(p[s] - largest)))
					sum += p[s]
				}
				o := out[row*h.Heads*d+i*d:][:d]
				for s := first; s <= t; s++ {
					for j, x := range r[(b*h.Seq+s)*w+v:][:d] {
						o[j] += p[s] / sum * x
					}
				}
				lse[row*h.Heads+i] = largest + T(math.Log(float64(sum)))
			}
		}
	}
}

func attentionBackward[T Float](h Heads, a operands[T]) {
	d, w, scale := h.HeadDim, h.Width(), T(1/math.Sqrt(float64(h.HeadDim)))
	r := rotated(h, a.in[0], 1)
	out, lse, dout := a.in[1], a.in[2], a.in[3]
	g := make([]T, len(r))
	for b := range h.Batch {
		for i := range h.Heads {
			q, k, v := h.columns(i)
			for t := range h.Seq {
				row := b*h.Seq + t
				do := dout[row*h.Heads*d+i*d:]
				delta := dot(do, out[row*h.Heads*d+i*d:], d)
				for s := firstKey(a.ids, row); s <= t; s++ {
					col := b*h.Seq + s
					p := T(math.Exp(float64(scale*dot(r[row*w+q:], r[col*w+k:], d) - lse[row*h.Heads+i])))
					ds := p * (dot(do, r[col*w+v:], d) - delta) * scale
					for j := range d {
						g[col*w+v+j] += p * do[j]
						g[row*w+q+j] += ds * r[col*w+k+j]
						g[col*w+k+j] += ds * r[row*w+q+j]
					}
				}
			}
		}
	}
	copy(a.out, rotated(h, g, -1))
}

func dot[T Float](a, b []T, n int) T {
	var s T
	for i := range n {
		s += a[i] * b[i]
	}
	return s
}
