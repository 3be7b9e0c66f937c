package op

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// part reads one result of a packed value.
type part struct {
	scope
	of     string // kind of the packed operation: several may be in one scope
	Index  int
	offset int
	shape  tensor.Shape
}

// Part is the i-th result of a packed node, in the shape its operation gives.
func Part(packed *gorgonia.Node, i int) (*gorgonia.Node, error) {
	o, ok := packed.Op().(Op)
	if !ok {
		return nil, fmt.Errorf("op: part %d of %v, which is no operation of this package", i, packed.Name())
	}
	parts := o.Parts(Shapes(Children(packed)))
	if i < 0 || i >= len(parts) {
		return nil, fmt.Errorf("op: part %d of %s %s, which has %d", i, o.Kind(), o.Scope(), len(parts))
	}
	offset := 0
	for _, p := range parts[:i] {
		offset += p.TotalSize()
	}
	return apply(part{scope: scope(o.Scope()), of: o.Kind(), Index: i, offset: offset, shape: parts[i]}, packed)
}

// PartIndex reports which part of its child a node reads.
func PartIndex(n *gorgonia.Node) (int, bool) {
	p, ok := n.Op().(part)
	return p.Index, ok
}

// Children returns a node's children in order, duplicates kept.
func Children(n *gorgonia.Node) gorgonia.Nodes {
	var c gorgonia.Nodes
	for it := n.Graph().From(n.ID()); it.Next(); {
		c = append(c, it.Node().(*gorgonia.Node))
	}
	return c
}

func (p part) Kind() string                        { return "part" }
func (p part) Arity() int                          { return 1 }
func (p part) Type() hm.Type                       { return fnType(rank(len(p.shape)), vector) }
func (p part) Parts([]tensor.Shape) []tensor.Shape { return []tensor.Shape{p.shape} }
func (p part) WriteHash(h hash.Hash)               { writeHash(h, p, p.of, p.Index, p.offset, p.shape) }
func (p part) Hashcode() uint32                    { return hashcode(p) }
func (p part) String() string                      { return fmt.Sprintf("%s.part%d", p.scope, p.Index) }
func (p part) DiffWRT(int) []bool                  { return []bool{true} }
func (p part) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return p.shape.Clone(), nil
}

// Do copies the part out of the packed vector.
func (p part) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	return evaluate(p, v, func(a operands[float32]) { copyPart(p, a) }, func(a operands[float64]) { copyPart(p, a) })
}

func copyPart[T Float](p part, a operands[T]) { copy(a.out, a.in[0][p.offset:]) }

// SymDiff passes the gradient on; see the package comment on packed results.
func (p part) SymDiff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if p.Index != 0 {
		return nil, fmt.Errorf("op: part %d of %s takes no gradient", p.Index, p.scope)
	}
	return gorgonia.Nodes{grad}, nil
}
