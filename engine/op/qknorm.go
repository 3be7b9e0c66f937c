package op

import (
	"fmt"
	"hash"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// QKHeads are the heads that lie side by side in a row of queries, keys and values.
type QKHeads struct {
	Heads, KVHeads, HeadDim int
}

func (h QKHeads) columns() int { return (h.Heads + 2*h.KVHeads) * h.HeadDim }

// QKNormOp divides each head's query and key by its root mean square and scales its
// elements (Henry et al., 2020; as in Qwen3, before RoPE): with x one of them,
// y = x·r·w, r = 1/√(mean(x²)+ε). Values pass as they are.
type QKNormOp struct {
	scope
	QKHeads
	Eps float64
}

// QKNorm returns y[N,(H+2K)·D] of qkv of that shape and the weights q[D] of queries and
// k[D] of keys, which all heads share.
func QKNorm(at string, qkv, q, k *gorgonia.Node, h QKHeads, eps float64) (*gorgonia.Node, error) {
	return apply(QKNormOp{scope(at), h, eps}, qkv, q, k)
}

func (o QKNormOp) Kind() string          { return "qknorm" }
func (o QKNormOp) Arity() int            { return 3 }
func (o QKNormOp) Type() hm.Type         { return fnType(matrix, matrix, vector, vector) }
func (o QKNormOp) WriteHash(h hash.Hash) { writeHash(h, o, o.QKHeads, o.Eps) }
func (o QKNormOp) Hashcode() uint32      { return hashcode(o) }
func (o QKNormOp) String() string        { return string(o.scope) + ".qknorm" }
func (o QKNormOp) DiffWRT(int) []bool    { return []bool{true, true, true} }
func (o QKNormOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[0].Clone()}
}

func (o QKNormOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

func (o QKNormOp) check(in []tensor.Shape) error {
	if in[0][1] != o.columns() || in[1][0] != o.HeadDim || in[2][0] != o.HeadDim {
		return fmt.Errorf("qkv is %v, the weights %v and %v, for %d query and %d key heads of %d", in[0], in[1], in[2], o.Heads, o.KVHeads, o.HeadDim)
	}
	return nil
}

// Rounds implements Rounder.
func (o QKNormOp) Rounds(int) bool { return true }

// Recompute implements Recomputer: qkv is kept.
func (o QKNormOp) Recompute() Recompute { return Always }

// Do is the plain version.
func (o QKNormOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(o, v, func(a operands[float32]) { qkNorm(a, o) }, func(a operands[float64]) { qkNorm(a, o) })
}

func qkNorm[T Float](a operands[T], o QKNormOp) {
	copy(a.out, a.in[0])
	o.each(a.shapes[0][0], func(at, weight int) {
		x := a.in[0][at : at+o.HeadDim]
		r := T(inverseRMS(x, o.Eps))
		for i, e := range x {
			a.out[at+i] = e * r * a.in[1+weight][i]
		}
	})
}

// each calls f for every query and key of n tokens: where it lies, and the number of
// its weight.
func (h QKHeads) each(n int, f func(at, weight int)) {
	for t := range n {
		for head := range h.Heads + h.KVHeads {
			weight := 0
			if head >= h.Heads {
				weight = 1
			}
			f(t*h.columns()+head*h.HeadDim, weight)
		}
	}
}

func inverseRMS[T Float](x []T, eps float64) float64 {
	var squares float64
	for _, e := range x {
		squares += float64(e) * float64(e)
	}
	return 1 / math.Sqrt(squares/float64(len(x))+eps)
}

func (o QKNormOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	packed, err := apply(QKNormGradOp(o), grad, in[0], in[1], in[2])
	if err != nil {
		return nil, err
	}
	grads := make(gorgonia.Nodes, 3)
	for i := range grads {
		if grads[i], err = Part(packed, i); err != nil {
			return nil, err
		}
	}
	return grads, nil
}

// QKNormGradOp takes dy, qkv and the weights of queries and keys to dqkv = r·(g −
// x̂·mean(g·x̂)) of each query and key, with x̂ = x·r and g = dy·w, dq[D] and dk[D] =
// Σ dy·x̂ over tokens and heads. A value's gradient is dy.
type QKNormGradOp struct {
	scope
	QKHeads
	Eps float64
}

func (o QKNormGradOp) Kind() string          { return "qknorm.grad" }
func (o QKNormGradOp) Arity() int            { return 4 }
func (o QKNormGradOp) Type() hm.Type         { return fnType(vector, matrix, matrix, vector, vector) }
func (o QKNormGradOp) WriteHash(h hash.Hash) { writeHash(h, o, o.QKHeads, o.Eps) }
func (o QKNormGradOp) Hashcode() uint32      { return hashcode(o) }
func (o QKNormGradOp) String() string        { return string(o.scope) + ".qknorm.grad" }
func (o QKNormGradOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[1].Clone(), in[2].Clone(), in[3].Clone()}
}

func (o QKNormGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

// Rounds implements Rounder: dqkv is what matmuls read.
func (o QKNormGradOp) Rounds(i int) bool { return i == 0 }

// Accumulates implements Accumulator: the others are gradients of weights.
func (o QKNormGradOp) Accumulates(i int) bool { return i > 0 }

// Do is the plain version.
func (o QKNormGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(o, v, func(a operands[float32]) { qkNormBackward(a, o) }, func(a operands[float64]) { qkNormBackward(a, o) })
}

func qkNormBackward[T Float](a operands[T], o QKNormGradOp) {
	n, d := a.shapes[0][0], o.HeadDim
	size := n * o.columns()
	dx, dw := a.out[:size], a.out[size:]
	copy(dx, a.in[0])
	o.each(n, func(at, weight int) {
		dy, x, w := a.in[0][at:at+d], a.in[1][at:at+d], a.in[2+weight]
		r := T(inverseRMS(x, o.Eps))
		var mean float64
		for i := range d {
			mean += float64(dy[i]) * float64(w[i]) * float64(x[i]*r)
			dw[weight*d+i] += dy[i] * x[i] * r
		}
		m := T(mean / float64(d))
		for i := range d {
			dx[at+i] = r * (dy[i]*w[i] - x[i]*r*m)
		}
	})
}
