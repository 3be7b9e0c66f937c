package op

import (
	"fmt"
	"hash"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// SwiGLUOp gates one half of its input with the other (Shazeer, 2020).
type SwiGLUOp struct{ scope }

// SwiGLU returns h[N,F] = silu(g)·u of x[N,2F], whose columns are g and u.
func SwiGLU(at string, x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(SwiGLUOp{scope(at)}, x)
}

func (s SwiGLUOp) Kind() string          { return "swiglu" }
func (s SwiGLUOp) Arity() int            { return 1 }
func (s SwiGLUOp) Type() hm.Type         { return fnType(matrix, matrix) }
func (s SwiGLUOp) WriteHash(h hash.Hash) { writeHash(h, s) }
func (s SwiGLUOp) Hashcode() uint32      { return hashcode(s) }
func (s SwiGLUOp) String() string        { return string(s.scope) + ".swiglu" }
func (s SwiGLUOp) DiffWRT(int) []bool    { return []bool{true} }
func (s SwiGLUOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{{in[0][0], in[0][1] / 2}}
}

func (s SwiGLUOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(s, in)
}

func (s SwiGLUOp) check(in []tensor.Shape) error {
	if in[0][1]%2 != 0 {
		return fmt.Errorf("input has %d columns, want an even number", in[0][1])
	}
	return nil
}

// Rounds implements Rounder.
func (s SwiGLUOp) Rounds(int) bool { return true }

// Recompute implements Recomputer.
func (s SwiGLUOp) Recompute() Recompute { return Always }

// Do is the plain version.
func (s SwiGLUOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(s, v, swiglu[float32], swiglu[float64])
}

func swiglu[T Float](a operands[T]) {
	n, f := a.shapes[0][0], a.shapes[0][1]/2
	for t := range n {
		for j := range f {
			g, u := a.in[0][t*2*f+j], a.in[0][t*2*f+f+j]
			a.out[t*f+j] = g * sigmoid(g) * u
		}
	}
}

func sigmoid[T Float](x T) T { return T(1 / (1 + math.Exp(-float64(x)))) }

func (s SwiGLUOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := apply(SwiGLUGradOp(s), in[0], grad)
	return gorgonia.Nodes{dx}, err
}

// SwiGLUGradOp takes x and dh to dx[N,2F]: with σ = sigmoid(g),
// dg = dh·u·σ·(1+g·(1−σ)) and du = dh·g·σ.
type SwiGLUGradOp struct{ scope }

func (s SwiGLUGradOp) Kind() string          { return "swiglu.grad" }
func (s SwiGLUGradOp) Arity() int            { return 2 }
func (s SwiGLUGradOp) Type() hm.Type         { return fnType(matrix, matrix, matrix) }
func (s SwiGLUGradOp) WriteHash(h hash.Hash) { writeHash(h, s) }
func (s SwiGLUGradOp) Hashcode() uint32      { return hashcode(s) }
func (s SwiGLUGradOp) String() string        { return string(s.scope) + ".swiglu.grad" }
func (s SwiGLUGradOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[0].Clone()}
}

func (s SwiGLUGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(s, in)
}

// Rounds implements Rounder.
func (s SwiGLUGradOp) Rounds(int) bool { return true }

// Do is the plain version.
func (s SwiGLUGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(s, v, swigluBackward[float32], swigluBackward[float64])
}

func swigluBackward[T Float](a operands[T]) {
	n, f := a.shapes[0][0], a.shapes[0][1]/2
	for t := range n {
		for j := range f {
			g, u, dh := a.in[0][t*2*f+j], a.in[0][t*2*f+f+j], a.in[1][t*f+j]
			s := sigmoid(g)
			a.out[t*2*f+j] = dh * u * s * (1 + g*(1-s))
			a.out[t*2*f+f+j] = dh * g * s
		}
	}
}
