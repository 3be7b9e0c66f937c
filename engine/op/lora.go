package op

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// LoRAOp adds low-rank adapters (Hu et al., 2021) to what a linear layer of one or several
// weights gave: of weight j, whose columns of y begin at Columns[j],
//
//	y[N,Oⱼ] += Scale·uⱼ[N,r]·Bⱼᵀ[r,Oⱼ]
//
// where u[N,R] = x·Aᵀ is a linear layer of all their A, R = Σr. Weights without an adapter
// have no columns in the list.
type LoRAOp struct {
	scope
	Scale   float64
	Columns []int
}

// LoRA returns y[N,O] with the adapters of B[Oⱼ,r] added in the columns from each on.
func LoRA(at string, y, u *gorgonia.Node, scale float64, columns []int, b ...*gorgonia.Node) (*gorgonia.Node, error) {
	if len(columns) != len(b) {
		return nil, fmt.Errorf("op: lora %s: %d columns for %d adapters", at, len(columns), len(b))
	}
	return apply(LoRAOp{scope(at), scale, columns}, append(gorgonia.Nodes{y, u}, b...)...)
}

func (l LoRAOp) Kind() string                           { return "lora" }
func (l LoRAOp) Arity() int                             { return 2 + len(l.Columns) }
func (l LoRAOp) Type() hm.Type                          { return fnType(matrix, matrices(l.Arity())...) }
func (l LoRAOp) WriteHash(h hash.Hash)                  { writeHash(h, l, l.Scale, l.Columns) }
func (l LoRAOp) Hashcode() uint32                       { return hashcode(l) }
func (l LoRAOp) String() string                         { return string(l.scope) + ".lora" }
func (l LoRAOp) Parts(in []tensor.Shape) []tensor.Shape { return []tensor.Shape{in[0].Clone()} }

func (l LoRAOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return inferShape(l, in) }

func (l LoRAOp) check(in []tensor.Shape) error {
	y, u, rank := in[0], in[1], 0
	for j, b := range in[2:] {
		rank += b[1]
		if b[1] != in[2][1] || l.Columns[j] < 0 || l.Columns[j]+b[0] > y[1] {
			return fmt.Errorf("adapter %d of %v from column %d on, of rank %d, is none of y %v", j, b, l.Columns[j], in[2][1], y)
		}
	}
	if u[0] != y[0] || u[1] != rank {
		return fmt.Errorf("y is %v, u %v, the adapters' rank in all %d", y, u, rank)
	}
	return nil
}

func (l LoRAOp) DiffWRT(n int) []bool { return all(n) }

// Rounds implements Rounder.
func (l LoRAOp) Rounds(int) bool { return true }

// InPlace implements Replacer: y is added to where it lies.
func (l LoRAOp) InPlace() int { return 0 }

// FLOPs implements FLOPCounter.
func (l LoRAOp) FLOPs(in, _ []tensor.Shape) int64 { return loraFLOPs(in[0][0], in[2:]) }

// loraFLOPs are those of n rows with adapters' B.
func loraFLOPs(n int, b []tensor.Shape) (flops int64) {
	for _, s := range b {
		flops += 2 * int64(n) * int64(s.TotalSize())
	}
	return flops
}

// Do is the plain version.
func (l LoRAOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(l, v, func(a operands[float32]) { lora(l, a) }, func(a operands[float64]) { lora(l, a) })
}

func lora[T Float](l LoRAOp, a operands[T]) {
	o, rank := a.shapes[0][1], a.shapes[1][1]
	copy(a.out, a.in[0])
	for j, b := range a.in[2:] {
		rows, r := a.shapes[2+j][0], a.shapes[2+j][1]
		for n := range a.shapes[0][0] {
			for i := range rows {
				a.out[n*o+l.Columns[j]+i] += T(l.Scale) * dot(a.in[1][n*rank+j*r:], b[i*r:], r)
			}
		}
	}
}

func (l LoRAOp) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	du, err := apply(LoRAGradInputOp(l), append(gorgonia.Nodes{grad}, in[2:]...)...)
	if err != nil {
		return nil, err
	}
	g := LoRAGradWeightOp{scope: l.scope, Scale: l.Scale, Columns: l.Columns}
	for _, b := range in[2:] {
		g.Rows = append(g.Rows, b.Shape()[0])
	}
	db, err := apply(g, grad, in[1])
	if err != nil {
		return nil, err
	}
	grads := gorgonia.Nodes{grad, du}
	for j := range g.Rows {
		p := db
		if len(g.Rows) > 1 {
			if p, err = Part(db, j); err != nil {
				return nil, err
			}
		}
		grads = append(grads, p)
	}
	return grads, nil
}

// LoRAGradInputOp takes dy[N,O] and B[Oⱼ,r] to du[N,R]: duⱼ = Scale·dyⱼ·Bⱼ.
type LoRAGradInputOp LoRAOp

func (l LoRAGradInputOp) Kind() string          { return "lora.du" }
func (l LoRAGradInputOp) Arity() int            { return 1 + len(l.Columns) }
func (l LoRAGradInputOp) Type() hm.Type         { return fnType(matrix, matrices(l.Arity())...) }
func (l LoRAGradInputOp) WriteHash(h hash.Hash) { writeHash(h, l, l.Scale, l.Columns) }
func (l LoRAGradInputOp) Hashcode() uint32      { return hashcode(l) }
func (l LoRAGradInputOp) String() string        { return string(l.scope) + ".lora.du" }
func (l LoRAGradInputOp) Parts(in []tensor.Shape) []tensor.Shape {
	rank := 0
	for _, b := range in[1:] {
		rank += b[1]
	}
	return []tensor.Shape{{in[0][0], rank}}
}

func (l LoRAGradInputOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(l, in)
}

// Rounds implements Rounder.
func (l LoRAGradInputOp) Rounds(int) bool { return true }

// FLOPs implements FLOPCounter.
func (l LoRAGradInputOp) FLOPs(in, _ []tensor.Shape) int64 { return loraFLOPs(in[0][0], in[1:]) }

// Do is the plain version.
func (l LoRAGradInputOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(l, v, func(a operands[float32]) { loraGradInput(l, a) }, func(a operands[float64]) { loraGradInput(l, a) })
}

func loraGradInput[T Float](l LoRAGradInputOp, a operands[T]) {
	o, rank := a.shapes[0][1], len(a.out)/a.shapes[0][0]
	for j, b := range a.in[1:] {
		rows, r := a.shapes[1+j][0], a.shapes[1+j][1]
		for n := range a.shapes[0][0] {
			for i := range rows {
				g := T(l.Scale) * a.in[0][n*o+l.Columns[j]+i]
				for k, x := range b[i*r : (i+1)*r] {
					a.out[n*rank+j*r+k] += g * x
				}
			}
		}
	}
}

// LoRAGradWeightOp takes dy[N,O] and u[N,R] to dBⱼ[Oⱼ,r] = Scale·dyⱼᵀ·uⱼ of each adapter,
// packed where there are several.
type LoRAGradWeightOp struct {
	scope
	Scale   float64
	Columns []int
	Rows    []int // Oⱼ
}

func (l LoRAGradWeightOp) Kind() string          { return "lora.db" }
func (l LoRAGradWeightOp) Arity() int            { return 2 }
func (l LoRAGradWeightOp) WriteHash(h hash.Hash) { writeHash(h, l, l.Scale, l.Columns, l.Rows) }
func (l LoRAGradWeightOp) Hashcode() uint32      { return hashcode(l) }
func (l LoRAGradWeightOp) String() string        { return string(l.scope) + ".lora.db" }

func (l LoRAGradWeightOp) Type() hm.Type {
	if len(l.Rows) == 1 {
		return fnType(matrix, matrix, matrix)
	}
	return fnType(vector, matrix, matrix)
}

func (l LoRAGradWeightOp) Parts(in []tensor.Shape) []tensor.Shape {
	parts := make([]tensor.Shape, len(l.Rows))
	for j, o := range l.Rows {
		parts[j] = tensor.Shape{o, in[1][1] / len(l.Rows)}
	}
	return parts
}

func (l LoRAGradWeightOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(l, in)
}

// Accumulates implements Accumulator.
func (l LoRAGradWeightOp) Accumulates(int) bool { return true }

// FLOPs implements FLOPCounter.
func (l LoRAGradWeightOp) FLOPs(in, out []tensor.Shape) int64 {
	var wanted []tensor.Shape
	for _, s := range out {
		if s != nil {
			wanted = append(wanted, s)
		}
	}
	return loraFLOPs(in[0][0], wanted)
}

// Do is the plain version.
func (l LoRAGradWeightOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(l, v, func(a operands[float32]) { loraGradWeight(l, a) }, func(a operands[float64]) { loraGradWeight(l, a) })
}

func loraGradWeight[T Float](l LoRAGradWeightOp, a operands[T]) {
	o, rank, out := a.shapes[0][1], a.shapes[1][1], a.out
	r := rank / len(l.Rows)
	for j, rows := range l.Rows {
		for n := range a.shapes[0][0] {
			for i := range rows {
				g := T(l.Scale) * a.in[0][n*o+l.Columns[j]+i]
				for k, x := range a.in[1][n*rank+j*r : n*rank+(j+1)*r] {
					out[i*r+k] += g * x
				}
			}
		}
		out = out[rows*r:]
	}
}
