package op

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// AddOp is the residual connection.
type AddOp struct{ scope }

// Add returns a+b, both [N,C].
func Add(at string, a, b *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(AddOp{scope(at)}, a, b)
}

// IsAdd reports whether a node adds two values of equal shape: this package's
// Add, or gorgonia's own, by which it sums the gradients of a shared node.
func IsAdd(n *gorgonia.Node) bool {
	if _, ok := n.Op().(AddOp); ok {
		return true
	}
	b, ok := n.Op().(gorgonia.BinaryOp)
	return ok && b.IsBinary() && len(b.String()) > 0 && b.String()[0] == '+'
}

func (o AddOp) Kind() string                           { return "add" }
func (o AddOp) Arity() int                             { return 2 }
func (o AddOp) Type() hm.Type                          { return fnType(matrix, matrix, matrix) }
func (o AddOp) WriteHash(h hash.Hash)                  { writeHash(h, o) }
func (o AddOp) Hashcode() uint32                       { return hashcode(o) }
func (o AddOp) String() string                         { return string(o.scope) + ".add" }
func (o AddOp) DiffWRT(int) []bool                     { return []bool{true, true} }
func (o AddOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (o AddOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return inferShape(o, in) }

func (o AddOp) check(in []tensor.Shape) error {
	if !in[0].Eq(in[1]) {
		return fmt.Errorf("adds %v and %v", in[0], in[1])
	}
	return nil
}

// Do is the plain version.
func (o AddOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(o, v, add[float32], add[float64])
}

func add[T Float](a operands[T]) {
	for i, x := range a.in[0] {
		a.out[i] = x + a.in[1][i]
	}
}

func (o AddOp) SymDiff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{grad, grad}, nil
}

// Sum returns the operation that adds two values at a scope, for executors
// that replace gorgonia's own addition.
func Sum(at string) AddOp { return AddOp{scope(at)} }
