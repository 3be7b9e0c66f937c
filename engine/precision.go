package engine

import (
	"fmt"

	"mobilellm/engine/op"
)

// Precision says in which type matmuls are taken and activations kept.
type Precision uint8

// The precisions.
const (
	PrecisionF32 Precision = iota
	PrecisionBF16
)

func (p Precision) String() string { return [...]string{"float32", "bf16"}[p] }

// ParsePrecision reads float32 (or f32, fp32) and bf16 (or bfloat16).
func ParsePrecision(s string) (Precision, error) {
	switch s {
	case "float32", "f32", "fp32":
		return PrecisionF32, nil
	case "bf16", "bfloat16":
		return PrecisionBF16, nil
	}
	return 0, fmt.Errorf("unknown precision %q: want float32 or bf16", s)
}

// storage is the type in which part i of an operation's result is kept.
// Float32 in every precision: the residual stream and its gradient, statistics
// of rows, losses and the gradients of weights.
func (p Precision) storage(o op.Op, i int) DType {
	if p == PrecisionBF16 && op.Rounds(o, i) {
		return BF16
	}
	return F32
}
