package engine

import (
	"gorgonia.org/tensor"

	"mobilellm/engine/op"
)

// FLOPs are the floating-point operations of an instruction's matmuls; see
// [op.FLOPCounter].
func FLOPs(in *Instr) int64 {
	return op.FLOPs(in.Op, shapes(in.In), shapes(in.Out))
}

// shapes are those of operands, nil for one that is not there.
func shapes(ts []*Tensor) []tensor.Shape {
	list := make([]tensor.Shape, len(ts))
	for i, t := range ts {
		if t != nil {
			list[i] = t.Shape
		}
	}
	return list
}
