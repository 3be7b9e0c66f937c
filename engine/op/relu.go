package op

import (
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ReLUOp is max(x, 0), the activation of the paper's baseline (Table 10).
type ReLUOp struct{ scope }

// ReLU returns y[N,F] of x[N,F].
func ReLU(at string, x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(ReLUOp{scope(at)}, x)
}

func (r ReLUOp) Kind() string                           { return "relu" }
func (r ReLUOp) Arity() int                             { return 1 }
func (r ReLUOp) Type() hm.Type                          { return fnType(matrix, matrix) }
func (r ReLUOp) WriteHash(h hash.Hash)                  { writeHash(h, r) }
func (r ReLUOp) Hashcode() uint32                       { return hashcode(r) }
func (r ReLUOp) String() string                         { return string(r.scope) + ".relu" }
func (r ReLUOp) DiffWRT(int) []bool                     { return []bool{true} }
func (r ReLUOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (r ReLUOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return inferShape(r, in) }

// Rounds implements Rounder.
func (r ReLUOp) Rounds(int) bool { return true }

// Recompute implements Recomputer.
func (r ReLUOp) Recompute() Recompute { return Always }

// Do is the plain version.
func (r ReLUOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(r, v, relu[float32], relu[float64])
}

func relu[T Float](a operands[T]) {
	for i, x := range a.in[0] {
		a.out[i] = max(x, 0)
	}
}

func (r ReLUOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := apply(ReLUGradOp(r), in[0], grad)
	return gorgonia.Nodes{dx}, err
}

// ReLUGradOp passes dy[N,F] where x[N,F] is positive.
type ReLUGradOp struct{ scope }

func (r ReLUGradOp) Kind() string                           { return "relu.grad" }
func (r ReLUGradOp) Arity() int                             { return 2 }
func (r ReLUGradOp) Type() hm.Type                          { return fnType(matrix, matrix, matrix) }
func (r ReLUGradOp) WriteHash(h hash.Hash)                  { writeHash(h, r) }
func (r ReLUGradOp) Hashcode() uint32                       { return hashcode(r) }
func (r ReLUGradOp) String() string                         { return string(r.scope) + ".relu.grad" }
func (r ReLUGradOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (r ReLUGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(r, in)
}

// Rounds implements Rounder.
func (r ReLUGradOp) Rounds(int) bool { return true }

// Do is the plain version.
func (r ReLUGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(r, v, reluBackward[float32], reluBackward[float64])
}

func reluBackward[T Float](a operands[T]) {
	for i, x := range a.in[0] {
		if x > 0 {
			a.out[i] = a.in[1][i]
		}
	}
}
