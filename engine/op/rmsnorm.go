package op

import (
	"fmt"
	"hash"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// RMSNormOp divides each row by its root mean square and scales the columns
// (Zhang & Sennrich, 2019): y = x̂·w, x̂ = x·r, r = 1/√(mean(x²)+ε).
// Its parts are y[N,C], x̂[N,C] and r[N]; x̂ and r are kept for the backward
// pass, so that x itself may be overwritten by the residual stream.
type RMSNormOp struct {
	scope
	Eps float64
}

// RMSNorm returns y[N,C] of x[N,C] and the weight w[C].
func RMSNorm(at string, x, w *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	packed, err := apply(RMSNormOp{scope(at), eps}, x, w)
	if err != nil {
		return nil, err
	}
	return Part(packed, 0)
}

func (r RMSNormOp) Kind() string          { return "rmsnorm" }
func (r RMSNormOp) Arity() int            { return 2 }
func (r RMSNormOp) Type() hm.Type         { return fnType(vector, matrix, vector) }
func (r RMSNormOp) WriteHash(h hash.Hash) { writeHash(h, r, r.Eps) }
func (r RMSNormOp) Hashcode() uint32      { return hashcode(r) }
func (r RMSNormOp) String() string        { return string(r.scope) + ".rmsnorm" }
func (r RMSNormOp) DiffWRT(int) []bool    { return []bool{true, true} }
func (r RMSNormOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[0].Clone(), in[0].Clone(), {in[0][0]}}
}

func (r RMSNormOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(r, in)
}

func (r RMSNormOp) check(in []tensor.Shape) error {
	if in[0][1] != in[1][0] {
		return fmt.Errorf("x is %v, its weight %v", in[0], in[1])
	}
	return nil
}

// Rounds implements Rounder: r is a statistic of rows.
func (r RMSNormOp) Rounds(i int) bool { return i < 2 }

// Do is the plain version.
func (r RMSNormOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(r, v,
		func(a operands[float32]) { rmsnorm(a, r.Eps) },
		func(a operands[float64]) { rmsnorm(a, r.Eps) })
}

func rmsnorm[T Float](a operands[T], eps float64) {
	n, c := a.shapes[0][0], a.shapes[0][1]
	w := a.in[1]
	y, xhat, rstd := a.out[:n*c], a.out[n*c:2*n*c], a.out[2*n*c:]
	for t := range n {
		x := a.in[0][t*c : (t+1)*c]
		var ss float64
		for _, e := range x {
			ss += float64(e) * float64(e)
		}
		rstd[t] = T(1 / math.Sqrt(ss/float64(c)+eps))
		for j, e := range x {
			xhat[t*c+j] = e * rstd[t]
			y[t*c+j] = xhat[t*c+j] * w[j]
		}
	}
}

func (r RMSNormOp) SymDiff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	xhat, err := Part(out, 1)
	if err != nil {
		return nil, err
	}
	rstd, err := Part(out, 2)
	if err != nil {
		return nil, err
	}
	packed, err := apply(RMSNormGradOp{r.scope}, grad, xhat, rstd, in[1])
	if err != nil {
		return nil, err
	}
	dx, err := Part(packed, 0)
	if err != nil {
		return nil, err
	}
	dw, err := Part(packed, 1)
	return gorgonia.Nodes{dx, dw}, err
}

// RMSNormGradOp takes dy, x̂, r and w to dx[N,C] = r·(g − x̂·mean(g·x̂)), g = dy·w,
// and dw[C] = Σₙ dy·x̂.
type RMSNormGradOp struct{ scope }

func (r RMSNormGradOp) Kind() string          { return "rmsnorm.grad" }
func (r RMSNormGradOp) Arity() int            { return 4 }
func (r RMSNormGradOp) Type() hm.Type         { return fnType(vector, matrix, matrix, vector, vector) }
func (r RMSNormGradOp) WriteHash(h hash.Hash) { writeHash(h, r) }
func (r RMSNormGradOp) Hashcode() uint32      { return hashcode(r) }
func (r RMSNormGradOp) String() string        { return string(r.scope) + ".rmsnorm.grad" }
func (r RMSNormGradOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[0].Clone(), in[3].Clone()}
}

func (r RMSNormGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(r, in)
}

// Accumulates implements Accumulator.
func (r RMSNormGradOp) Accumulates(int) bool { return true }

// Do is the plain version.
func (r RMSNormGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(r, v, rmsnormBackward[float32], rmsnormBackward[float64])
}

func rmsnormBackward[T Float](a operands[T]) {
	n, c := a.shapes[0][0], a.shapes[0][1]
	dy, xhat, rstd, w := a.in[0], a.in[1], a.in[2], a.in[3]
	dx, dw := a.out[:n*c], a.out[n*c:]
	for t := range n {
		var mean float64
		for j := range c {
			i := t*c + j
			mean += float64(dy[i]) * float64(w[j]) * float64(xhat[i])
			dw[j] += dy[i] * xhat[i]
		}
		m := T(mean / float64(c))
		for j := range c {
			i := t*c + j
			dx[i] = rstd[t] * (dy[i]*w[j] - xhat[i]*m)
		}
	}
}
