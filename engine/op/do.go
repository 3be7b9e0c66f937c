package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Float is the element type of the plain kernels: training is checked in
// float64 and compared in float32.
type Float interface{ float32 | float64 }

// operands are what a plain kernel works on: the result's elements, those of
// each float input (nil for an input of ids) and of each input of ids (nil for
// floats), of which ids is the first.
type operands[T Float] struct {
	out    []T
	in     [][]T
	ids    []int32
	idsOf  [][]int32
	shapes []tensor.Shape
}

// evaluate is Do of every operation: it makes the result and runs the plain
// kernel of the inputs' float type.
func evaluate(o Op, values []gorgonia.Value, k32 func(operands[float32]), k64 func(operands[float64])) (gorgonia.Value, error) {
	shapes := make([]tensor.Shape, len(values))
	for i, v := range values {
		shapes[i] = v.Shape()
	}
	out := PackedShape(o.Parts(shapes))
	for _, v := range values {
		switch v.Dtype() {
		case tensor.Float32:
			return fill(o, values, shapes, out, k32)
		case tensor.Float64:
			return fill(o, values, shapes, out, k64)
		}
	}
	return nil, fmt.Errorf("op: %s %s: no input of type float32 or float64", o.Kind(), o.Scope())
}

func fill[T Float](o Op, values []gorgonia.Value, shapes []tensor.Shape, shape tensor.Shape, kernel func(operands[T])) (gorgonia.Value, error) {
	a := operands[T]{out: make([]T, shape.TotalSize()), in: make([][]T, len(values)), idsOf: make([][]int32, len(values)), shapes: shapes}
	for i, v := range values {
		switch d := v.Data().(type) {
		case []T:
			a.in[i] = d
		case T:
			a.in[i] = []T{d}
		case []int32:
			a.idsOf[i] = d
			if a.ids == nil {
				a.ids = d
			}
		default:
			return nil, fmt.Errorf("op: %s %s: input %d is %T, want %T", o.Kind(), o.Scope(), i, d, a.out)
		}
	}
	kernel(a)
	if shape.IsScalar() {
		switch x := any(a.out[0]).(type) {
		case float32:
			return gorgonia.NewF32(x), nil
		case float64:
			return gorgonia.NewF64(x), nil
		}
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(a.out)), nil
}
