package op

import (
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ScaleOp multiplies the columns of x[N,C] by w[C]. Executors use it to make
// RMSNorm's output again from x̂, instead of keeping it for the backward pass.
type ScaleOp struct{ scope }

// Remake implements Remaker: y = x̂·w.
func (r RMSNormOp) Remake(i int) (Remaking, bool) {
	return Remaking{Op: ScaleOp{r.scope}, Part: 1, Inputs: []int{1}}, i == 0
}

func (s ScaleOp) Kind() string                           { return "scale" }
func (s ScaleOp) Arity() int                             { return 2 }
func (s ScaleOp) Type() hm.Type                          { return fnType(matrix, matrix, vector) }
func (s ScaleOp) WriteHash(h hash.Hash)                  { writeHash(h, s) }
func (s ScaleOp) Hashcode() uint32                       { return hashcode(s) }
func (s ScaleOp) String() string                         { return string(s.scope) + ".scale" }
func (s ScaleOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (s ScaleOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return inferShape(s, in) }

// Rounds implements Rounder.
func (s ScaleOp) Rounds(int) bool { return true }

// Do is the plain version.
func (s ScaleOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(s, v, scaleColumns[float32], scaleColumns[float64])
}

func scaleColumns[T Float](a operands[T]) {
	c := a.shapes[0][1]
	for i, x := range a.in[0] {
		a.out[i] = x * a.in[1][i%c]
	}
}
