package op

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/quant"
)

// QuantizeOp rounds each row of x[N,C] to the few values of a rule without a number of
// its own to learn: of weights a row is an output, of activations a token. Of
// [quant.MinMax] the gradient is that of the result (straight-through, LLM-QAT), of
// [quant.Sign] that where x lies within (−1, 1).
type QuantizeOp struct {
	scope
	Rule quant.Rule
}

// Quantize returns y[N,C] of x[N,C].
func Quantize(at string, x *gorgonia.Node, r quant.Rule) (*gorgonia.Node, error) {
	if r.Method.Learned() {
		return nil, fmt.Errorf("op: quantize %s: %s learns a number of each row", at, r.Method)
	}
	return apply(QuantizeOp{scope(at), r}, x)
}

func (q QuantizeOp) Kind() string                           { return "quantize" }
func (q QuantizeOp) Arity() int                             { return 1 }
func (q QuantizeOp) Type() hm.Type                          { return fnType(matrix, matrix) }
func (q QuantizeOp) WriteHash(h hash.Hash)                  { writeHash(h, q, q.Rule) }
func (q QuantizeOp) Hashcode() uint32                       { return hashcode(q) }
func (q QuantizeOp) String() string                         { return string(q.scope) + ".quantize" }
func (q QuantizeOp) DiffWRT(int) []bool                     { return []bool{true} }
func (q QuantizeOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (q QuantizeOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(q, in)
}

// Rounds implements Rounder.
func (q QuantizeOp) Rounds(int) bool { return true }

// Recompute implements Recomputer.
func (q QuantizeOp) Recompute() Recompute { return Always }

// Do is the plain version.
func (q QuantizeOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(q, v,
		func(a operands[float32]) { quantize(a, q.Rule) },
		func(a operands[float64]) { quantize(a, q.Rule) })
}

func quantize[T Float](a operands[T], r quant.Rule) {
	eachRow(a.shapes[0], func(_, first, last int) { quant.Round(r, a.out[first:last], a.in[0][first:last], 0) })
}

// eachRow hands out the elements of each row of a matrix.
func eachRow(s tensor.Shape, f func(n, first, last int)) {
	for n := range s[0] {
		f(n, n*s[1], (n+1)*s[1])
	}
}

func (q QuantizeOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if q.Rule.Method == quant.MinMax {
		return gorgonia.Nodes{grad}, nil
	}
	dx, err := apply(QuantizeGradOp(q), in[0], grad)
	return gorgonia.Nodes{dx}, err
}

// QuantizeGradOp passes dy[N,C] where the rule's gradient for x[N,C] is not 0.
type QuantizeGradOp QuantizeOp

func (q QuantizeGradOp) Kind() string                           { return "quantize.grad" }
func (q QuantizeGradOp) Arity() int                             { return 2 }
func (q QuantizeGradOp) Type() hm.Type                          { return fnType(matrix, matrix, matrix) }
func (q QuantizeGradOp) WriteHash(h hash.Hash)                  { writeHash(h, q, q.Rule) }
func (q QuantizeGradOp) Hashcode() uint32                       { return hashcode(q) }
func (q QuantizeGradOp) String() string                         { return string(q.scope) + ".quantize.grad" }
func (q QuantizeGradOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (q QuantizeGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(q, in)
}

// Rounds implements Rounder: of a weight the gradient is float32.
func (q QuantizeGradOp) Rounds(int) bool { return !q.Rule.Scaled }

// Accumulates implements Accumulator: so is that of a weight alone.
func (q QuantizeGradOp) Accumulates(int) bool { return q.Rule.Scaled }

// Do is the plain version.
func (q QuantizeGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(q, v,
		func(a operands[float32]) { quantizeBackward(a, q.Rule) },
		func(a operands[float64]) { quantizeBackward(a, q.Rule) })
}

func quantizeBackward[T Float](a operands[T], r quant.Rule) {
	quant.Backward(r, a.out, a.in[0], a.in[1], 0)
}

// LearnedQuantizeOp rounds each row of a weight w[O,C] to the few values of a rule with a
// number α[O] that is learned, a row's step ([quant.LSQ]) or clip ([quant.SEQ]).
type LearnedQuantizeOp struct {
	scope
	Rule quant.Rule
}

// LearnedQuantize returns y[O,C] of w[O,C] and alpha[O].
func LearnedQuantize(at string, w, alpha *gorgonia.Node, r quant.Rule) (*gorgonia.Node, error) {
	if !r.Method.Learned() {
		return nil, fmt.Errorf("op: learned quantize %s: %s learns nothing", at, r.Method)
	}
	return apply(LearnedQuantizeOp{scope(at), r}, w, alpha)
}

func (q LearnedQuantizeOp) Kind() string          { return "learnedquantize" }
func (q LearnedQuantizeOp) Arity() int            { return 2 }
func (q LearnedQuantizeOp) Type() hm.Type         { return fnType(matrix, matrix, vector) }
func (q LearnedQuantizeOp) WriteHash(h hash.Hash) { writeHash(h, q, q.Rule) }
func (q LearnedQuantizeOp) Hashcode() uint32      { return hashcode(q) }
func (q LearnedQuantizeOp) String() string        { return string(q.scope) + ".learnedquantize" }
func (q LearnedQuantizeOp) DiffWRT(int) []bool    { return []bool{true, true} }
func (q LearnedQuantizeOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[0].Clone()}
}

func (q LearnedQuantizeOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(q, in)
}

func (q LearnedQuantizeOp) check(in []tensor.Shape) error {
	if in[0][0] != in[1][0] {
		return fmt.Errorf("the weight is %v, its numbers %v", in[0], in[1])
	}
	return nil
}

// Recompute implements Recomputer.
func (q LearnedQuantizeOp) Recompute() Recompute { return Always }

// Do is the plain version.
func (q LearnedQuantizeOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(q, v,
		func(a operands[float32]) { learnedQuantize(a, q.Rule) },
		func(a operands[float64]) { learnedQuantize(a, q.Rule) })
}

func learnedQuantize[T Float](a operands[T], r quant.Rule) {
	eachRow(a.shapes[0], func(o, first, last int) {
		quant.Round(r, a.out[first:last], a.in[0][first:last], a.in[1][o])
	})
}

func (q LearnedQuantizeOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	packed, err := apply(LearnedQuantizeGradOp(q), in[0], in[1], grad)
	if err != nil {
		return nil, err
	}
	dw, err := Part(packed, 0)
	if err != nil {
		return nil, err
	}
	dalpha, err := Part(packed, 1)
	return gorgonia.Nodes{dw, dalpha}, err
}

// LearnedQuantizeGradOp takes w[O,C], α[O] and dy[O,C] to dw[O,C] and dα[O], which is
// scaled by 1/√(O·C·Qp) (LSQ, section 2.2).
type LearnedQuantizeGradOp LearnedQuantizeOp

func (q LearnedQuantizeGradOp) Kind() string          { return "learnedquantize.grad" }
func (q LearnedQuantizeGradOp) Arity() int            { return 3 }
func (q LearnedQuantizeGradOp) Type() hm.Type         { return fnType(vector, matrix, vector, matrix) }
func (q LearnedQuantizeGradOp) WriteHash(h hash.Hash) { writeHash(h, q, q.Rule) }
func (q LearnedQuantizeGradOp) Hashcode() uint32      { return hashcode(q) }
func (q LearnedQuantizeGradOp) String() string {
	return string(q.scope) + ".learnedquantize.grad"
}

func (q LearnedQuantizeGradOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{in[0].Clone(), in[1].Clone()}
}

func (q LearnedQuantizeGradOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(q, in)
}

// Accumulates implements Accumulator.
func (q LearnedQuantizeGradOp) Accumulates(int) bool { return true }

// Do is the plain version.
func (q LearnedQuantizeGradOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(q, v,
		func(a operands[float32]) { learnedQuantizeBackward(a, q.Rule) },
		func(a operands[float64]) { learnedQuantizeBackward(a, q.Rule) })
}

func learnedQuantizeBackward[T Float](a operands[T], r quant.Rule) {
	n := a.shapes[0].TotalSize()
	dw, dalpha := a.out[:n], a.out[n:]
	eachRow(a.shapes[0], func(o, first, last int) {
		d := quant.Backward(r, dw[first:last], a.in[0][first:last], a.in[2][first:last], a.in[1][o])
		dalpha[o] = d * T(r.GradientScale(n))
	})
}
