package onnx

import (
	"fmt"
	"slices"

	"mobilellm/arch"
	"mobilellm/export"
	"mobilellm/internal/quant"
)

// Type is how a graph stores weights and multiplies with them.
type Type string

// The types. Of the last two, layers' matrices are integers, norms float32, and embedding
// and head float16.
const (
	F32  Type = "f32"
	F16  Type = "f16"
	BF16 Type = "bf16"
	Int8 Type = "int8" // activations too
	Int4 Type = "int4"
)

// Types are those that there are.
func Types() []Type { return []Type{F32, F16, BF16, Int8, Int4} }

// Quantised reports whether matrices are integers.
func (t Type) Quantised() bool { return t == Int8 || t == Int4 }

// Fits reports whether rows of so many elements can be of the type.
func (t Type) Fits(row int) bool { return t != Int4 || row%block == 0 }

// of is the type of a parameter in a graph's file.
func (t Type) of(p arch.Parameter) dataType {
	switch {
	case t == F32 || t.Quantised() && p.Norm:
		return float32Type
	case t == BF16:
		return bfloat16Type
	case t.Quantised() && p.Layer >= 0:
		return uint8Type
	}
	return float16Type
}

// check is an error where a model's weights cannot be of the type.
func (t Type) check(m *export.Model) error {
	if !slices.Contains(Types(), t) {
		return fmt.Errorf("weights cannot be stored as %q", t)
	}
	for _, p := range m.Config.Parameters() {
		if t.of(p) != uint8Type {
			continue
		}
		if row := p.Shape[1]; !t.Fits(row) {
			return fmt.Errorf("tensor %s: rows of %d are no multiple of the %d that int4 quantises together", p.Name, row, block)
		}
		if err := quant.Finite(m.Weights[p.Name]); err != nil {
			return fmt.Errorf("tensor %s: %w", p.Name, err)
		}
	}
	return nil
}

// Rounded is what a layer's matrix with rows of that length is in a graph of the type.
func (t Type) Rounded(x []float32, row int) []float32 {
	if t == Int8 {
		return quant.Rounded(x, row, quant.Weights)
	}
	back := make([]float32, len(x))
	var q [block]byte
	for at := 0; at < len(x); at += block {
		scale := quant.Block(q[:], x[at:at+block], half)
		for i, v := range q {
			back[at+i] = scale * float32(int(v)-half)
		}
	}
	return back
}
