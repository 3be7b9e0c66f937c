package op

import (
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Op is an operation of this package, as executors see it.
type Op interface {
	gorgonia.Op
	// Kind names the operation's sort, for example "linear".
	Kind() string
	// Scope is where in the model the operation stands, for example "17.attn".
	Scope() string
	// Parts are the shapes of its results for the shapes of its inputs; one
	// shape for an operation that is not packed.
	Parts(in []tensor.Shape) []tensor.Shape
}

// scope is where in the model an operation stands, such as "17.attn" or "head".
type scope string

// Scope implements Op.
func (p scope) Scope() string { return string(p) }

// The methods below are the same for every operation of this package: none
// overwrites its input, and each is called through gorgonia's own interfaces.

// ReturnsPtr implements gorgonia.Op.
func (scope) ReturnsPtr() bool { return false }

// CallsExtern implements gorgonia.Op.
func (scope) CallsExtern() bool { return false }

// OverwritesInput implements gorgonia.Op.
func (scope) OverwritesInput() int { return -1 }

// writeHash writes an operation's kind, scope and every field that changes its
// result.
func writeHash(h hash.Hash, o Op, fields ...any) {
	fmt.Fprintf(h, "%s|%s|%v", o.Kind(), o.Scope(), fields)
}

func hashcode(o gorgonia.Op) uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// fnType builds the type of an operation from the ranks of its inputs and its
// result; rank 0 is a scalar and ids a vector of int32.
func fnType(result rank, in ...rank) hm.Type {
	ts := make([]hm.Type, 0, len(in)+1)
	for _, r := range append(in, result) {
		ts = append(ts, r.typ())
	}
	return hm.NewFnType(ts...)
}

type rank int

const (
	scalar rank = 0
	vector rank = 1
	matrix rank = 2
	ids    rank = -1
)

func (r rank) typ() hm.Type {
	a := hm.TypeVariable('a')
	switch r {
	case scalar:
		return a
	case ids:
		return gorgonia.TensorType{Dims: 1, Of: tensor.Int32}
	}
	return gorgonia.TensorType{Dims: int(r), Of: a}
}

// inferShape is InferShape of every operation: one part keeps its shape, more
// are laid end to end in a vector.
func inferShape(o Op, in []gorgonia.DimSizer) (tensor.Shape, error) {
	shapes, err := gorgonia.DimSizersToShapes(in)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", o.Kind(), o.Scope(), err)
	}
	if err := checkRanks(o.Type(), shapes); err != nil {
		return nil, fmt.Errorf("%s %s: %w", o.Kind(), o.Scope(), err)
	}
	if c, ok := o.(interface{ check([]tensor.Shape) error }); ok {
		if err := c.check(shapes); err != nil {
			return nil, fmt.Errorf("%s %s: %w", o.Kind(), o.Scope(), err)
		}
	}
	return PackedShape(o.Parts(shapes)), nil
}

// checkRanks compares the inputs with the operation's type: gorgonia's own
// inference lets a vector pass for a matrix.
func checkRanks(t hm.Type, in []tensor.Shape) error {
	for i, s := range in {
		f := t.(*hm.FunctionType)
		want := 0
		if a, ok := f.Arg().(gorgonia.TensorType); ok {
			want = a.Dims
		}
		if s.Dims() != want {
			return fmt.Errorf("input %d is %v, want %d dimensions", i, s, want)
		}
		t = f.Ret(false)
	}
	return nil
}

// PackedShape is the shape of a value that holds the given parts.
func PackedShape(parts []tensor.Shape) tensor.Shape {
	if len(parts) == 1 {
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += p.TotalSize()
	}
	return tensor.Shape{n}
}

// apply adds the operation to the graph; wrong shapes are a programming
// mistake of the model's builder and come back as gorgonia's error. So does a node
// that is not there, as where a builder goes on after an error.
func apply(o Op, children ...*gorgonia.Node) (*gorgonia.Node, error) {
	for i, c := range children {
		if c == nil {
			return nil, fmt.Errorf("op: %s %s: input %d is not there", o.Kind(), o.Scope(), i)
		}
	}
	n, err := gorgonia.ApplyOp(o, children...)
	if err != nil {
		return nil, fmt.Errorf("op: %s %s: %w", o.Kind(), o.Scope(), err)
	}
	return n, nil
}

// Shapes returns the shapes of a node's children.
func Shapes(children gorgonia.Nodes) []tensor.Shape {
	s := make([]tensor.Shape, len(children))
	for i, c := range children {
		s[i] = c.Shape()
	}
	return s
}
