package op

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// LinearOp multiplies by one or several weights of the same input width at once.
type LinearOp struct {
	scope
	weights int
}

// Linear returns y[N,O] = x[N,C]·wᵀ, w[O,C] being the rows of all weights in
// order, O = ΣOᵢ: several weights of one input (q, k and v; gate and up) are
// one matmul.
func Linear(at string, x *gorgonia.Node, w ...*gorgonia.Node) (*gorgonia.Node, error) {
	return apply(LinearOp{scope(at), len(w)}, append(gorgonia.Nodes{x}, w...)...)
}

func (l LinearOp) Kind() string          { return "linear" }
func (l LinearOp) Arity() int            { return 1 + l.weights }
func (l LinearOp) Type() hm.Type         { return fnType(matrix, matrices(1+l.weights)...) }
func (l LinearOp) WriteHash(h hash.Hash) { writeHash(h, l, l.weights) }
func (l LinearOp) Hashcode() uint32      { return hashcode(l) }
func (l LinearOp) String() string        { return string(l.scope) + ".linear" }
func (l LinearOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{{in[0][0], rows(in[1:])}}
}

func (l LinearOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return inferShape(l, in) }

func (l LinearOp) check(in []tensor.Shape) error {
	for i, w := range in[1:] {
		if w[1] != in[0][1] {
			return fmt.Errorf("weight %d is %v, its input %v", i, w, in[0])
		}
	}
	return nil
}

func (l LinearOp) DiffWRT(n int) []bool { return all(n) }

// all is DiffWRT of an operation whose every input takes a gradient.
func all(n int) []bool {
	d := make([]bool, n)
	for i := range d {
		d[i] = true
	}
	return d
}

// Rounds implements Rounder.
func (l LinearOp) Rounds(int) bool { return true }

// Accumulates implements Accumulator: in float32 the result goes to the residual
// stream without rounding.
func (l LinearOp) Accumulates(int) bool { return true }

// Weights implements Multiplier.
func (l LinearOp) Weights(inputs int) [][]int { return [][]int{from(1, inputs)} }

// FLOPs implements FLOPCounter.
func (l LinearOp) FLOPs(in, out []tensor.Shape) int64 { return productFLOPs(in[0], out[0][1]) }

// Do is the plain version.
func (l LinearOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(l, v, product[float32], product[float64])
}

func product[T Float](a operands[T]) {
	n, c, o := a.shapes[0][0], a.shapes[0][1], rows(a.shapes[1:])
	first := 0
	for i, w := range a.in[1:] {
		for r := range a.shapes[1+i][0] {
			for t := range n {
				var s T
				for k, x := range a.in[0][t*c : (t+1)*c] {
					s += x * w[r*c+k]
				}
				a.out[t*o+first+r] = s
			}
		}
		first += a.shapes[1+i][0]
	}
}

func (l LinearOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := apply(LinearGradInputOp(l), append(gorgonia.Nodes{grad}, in[1:]...)...)
	if err != nil {
		return nil, err
	}
	g := LinearGradWeightOp{scope: l.scope}
	for _, w := range in[1:] {
		g.Rows = append(g.Rows, w.Shape()[0])
	}
	dw, err := apply(g, grad, in[0])
	if err != nil || l.weights == 1 {
		return gorgonia.Nodes{dx, dw}, err
	}
	grads := gorgonia.Nodes{dx}
	for i := range l.weights {
		p, err := Part(dw, i)
		if err != nil {
			return nil, err
		}
		grads = append(grads, p)
	}
	return grads, nil
}

// LinearGradInputOp is dx[N,C] = dy[N,O]·w[O,C].
type LinearGradInputOp struct {
	scope
	weights int
}

func (l LinearGradInputOp) Kind() string          { return "linear.dx" }
func (l LinearGradInputOp) Arity() int            { return 1 + l.weights }
func (l LinearGradInputOp) Type() hm.Type         { return fnType(matrix, matrices(1+l.weights)...) }
func (l LinearGradInputOp) WriteHash(h hash.Hash) { writeHash(h, l, l.weights) }
func (l LinearGradInputOp) Hashcode() uint32      { return hashcode(l) }
func (l LinearGradInputOp) String() string        { return string(l.scope) + ".linear.dx" }
func (l LinearGradInputOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{{in[0][0], in[1][1]}}
}

func (l LinearGradInputOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(l, in)
}

// Rounds implements Rounder.
func (l LinearGradInputOp) Rounds(int) bool { return true }

// Accumulates implements Accumulator.
func (l LinearGradInputOp) Accumulates(int) bool { return true }

// Weights implements Multiplier.
func (l LinearGradInputOp) Weights(inputs int) [][]int { return [][]int{from(1, inputs)} }

// FLOPs implements FLOPCounter.
func (l LinearGradInputOp) FLOPs(in, _ []tensor.Shape) int64 { return productFLOPs(in[0], in[1][1]) }

// Do is the plain version.
func (l LinearGradInputOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(l, v, productGradInput[float32], productGradInput[float64])
}

func productGradInput[T Float](a operands[T]) {
	n, o, c := a.shapes[0][0], a.shapes[0][1], a.shapes[1][1]
	first := 0
	for i, w := range a.in[1:] {
		for r := range a.shapes[1+i][0] {
			for t := range n {
				g := a.in[0][t*o+first+r]
				for k, x := range w[r*c : (r+1)*c] {
					a.out[t*c+k] += g * x
				}
			}
		}
		first += a.shapes[1+i][0]
	}
}

// LinearGradWeightOp is dw[O,C] = dy[N,O]ᵀ·x[N,C], packed by weight when there
// are several.
type LinearGradWeightOp struct {
	scope
	Rows []int // Oᵢ of each weight
}

func (l LinearGradWeightOp) Kind() string          { return "linear.dw" }
func (l LinearGradWeightOp) Arity() int            { return 2 }
func (l LinearGradWeightOp) WriteHash(h hash.Hash) { writeHash(h, l, l.Rows) }
func (l LinearGradWeightOp) Hashcode() uint32      { return hashcode(l) }
func (l LinearGradWeightOp) String() string        { return string(l.scope) + ".linear.dw" }

func (l LinearGradWeightOp) Type() hm.Type {
	if len(l.Rows) == 1 {
		return fnType(matrix, matrix, matrix)
	}
	return fnType(vector, matrix, matrix)
}

func (l LinearGradWeightOp) Parts(in []tensor.Shape) []tensor.Shape {
	parts := make([]tensor.Shape, len(l.Rows))
	for i, o := range l.Rows {
		parts[i] = tensor.Shape{o, in[1][1]}
	}
	return parts
}

func (l LinearGradWeightOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(l, in)
}

// Accumulates implements Accumulator.
func (l LinearGradWeightOp) Accumulates(int) bool { return true }

// Stacks implements Stacker: the gradients of all weights are one matmul.
func (l LinearGradWeightOp) Stacks() bool { return true }

// FLOPs implements FLOPCounter.
func (l LinearGradWeightOp) FLOPs(in, out []tensor.Shape) (flops int64) {
	for _, dw := range out {
		if dw != nil {
			flops += 2 * int64(in[0][0]) * int64(dw.TotalSize())
		}
	}
	return flops
}

// Do is the plain version.
func (l LinearGradWeightOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(l, v, productGradWeight[float32], productGradWeight[float64])
}

func productGradWeight[T Float](a operands[T]) {
	n, o, c := a.shapes[0][0], a.shapes[0][1], a.shapes[1][1]
	for t := range n {
		for r := range o {
			g := a.in[0][t*o+r]
			for k, x := range a.in[1][t*c : (t+1)*c] {
				a.out[r*c+k] += g * x
			}
		}
	}
}

func rows(weights []tensor.Shape) int {
	o := 0
	for _, w := range weights {
		o += w[0]
	}
	return o
}

func matrices(n int) []rank {
	r := make([]rank, n)
	for i := range r {
		r[i] = matrix
	}
	return r
}

// from are the numbers from first on, below end.
func from(first, end int) []int {
	var list []int
	for i := first; i < end; i++ {
		list = append(list, i)
	}
	return list
}
