package op

import (
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// RoundOp gives w[O,C] as it is, or in bf16 where matmuls are: executors put it
// between a weight that is computed and its matmuls, on devices that want a
// rounded copy.
type RoundOp struct {
	scope
	recompute Recompute
}

// Round returns the operation for a weight that is made again when w is.
func Round(at string, w Recompute) RoundOp { return RoundOp{scope(at), w} }

func (r RoundOp) Kind() string                           { return "round" }
func (r RoundOp) Arity() int                             { return 1 }
func (r RoundOp) Type() hm.Type                          { return fnType(matrix, matrix) }
func (r RoundOp) WriteHash(h hash.Hash)                  { writeHash(h, r, r.recompute) }
func (r RoundOp) Hashcode() uint32                       { return hashcode(r) }
func (r RoundOp) String() string                         { return string(r.scope) + ".round" }
func (r RoundOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (r RoundOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return inferShape(r, in) }

// Rounds implements Rounder.
func (r RoundOp) Rounds(int) bool { return true }

// Recompute implements Recomputer.
func (r RoundOp) Recompute() Recompute { return r.recompute }

// Do is the plain version.
func (r RoundOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(r, v, unchanged[float32], unchanged[float64])
}

func unchanged[T Float](a operands[T]) { copy(a.out, a.in[0]) }
