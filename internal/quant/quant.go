// Package quant says how numbers become integers of 8 bits, row by row: one scale for a
// row of a weight, which is an output, and one for a row of activations, which is a token
// (the paper's section 3.4 and Table 15: per-token min-max).
package quant

import (
	"fmt"
	"math"
)

// Scheme is a way to quantise a row of activations.
type Scheme string

// The schemes. Weights are symmetric in all of them.
const (
	// Symmetric is LLM-QAT's default (Liu et al., 2023, models/utils_quant.py):
	// s = 127/(max|x| + 1e-6), q = round(x·s), x ≈ q/(s + 1e-6).
	Symmetric Scheme = "symmetric"
	// Asymmetric is LLM-QAT's other: q = round(255·(x − min)/(max − min + 1e-8)).
	Asymmetric Scheme = "asymmetric"
	// Compressed is compressed-tensors' symmetric one: x ≈ q·max|x|/127.5, q from −128 to
	// 127; zeros alone have the scale 2⁻²³.
	Compressed Scheme = "compressed-tensors"
)

// Schemes are those that there are.
func Schemes() []Scheme { return []Scheme{Symmetric, Asymmetric, Compressed} }

// ParseScheme finds a scheme by its name; the empty one is [Symmetric].
func ParseScheme(name string) (Scheme, error) {
	if name == "" {
		return Symmetric, nil
	}
	for _, s := range Schemes() {
		if string(s) == name {
			return s, nil
		}
	}
	return "", fmt.Errorf("unknown scheme %q of quantised activations: choose from %q", name, Schemes())
}

// Finite is an error that names the first of x that is not finite.
func Finite(x []float32) error {
	for i, v := range x {
		if v-v != 0 {
			return fmt.Errorf("element %d is %v: only finite numbers can be quantised", i, v)
		}
	}
	return nil
}

// Row says what the integers of a row stand for: x ≈ Scale·(q − Zero) + Offset. Of a row
// with a number that is not finite, Scale is NaN.
type Row struct {
	Scale, Offset float32
	Zero          int32
}

// Value is what q stands for.
func (r Row) Value(q uint8) float32 { return r.Scale*float32(int32(q)-r.Zero) + r.Offset }

// Activations writes x to q, rounded to nearest, ties to even.
func (s Scheme) Activations(q []uint8, x []float32) Row {
	least, most := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range x {
		if v != v || math.IsInf(float64(v), 0) {
			return Row{Scale: float32(math.NaN())}
		}
		least, most = min(least, v), max(most, v)
	}
	r, factor := s.Row(least, most)
	for i, v := range x {
		scaled := (v - r.Offset) * factor
		if s == Compressed {
			scaled = v / r.Scale
		}
		q[i] = uint8(max(0, min(255, int32(math.RoundToEven(float64(scaled)))+r.Zero)))
	}
	return r
}

// Row is that of numbers from least to most, and what they are multiplied by, less the
// offset, before they are rounded; [Compressed] divides by the scale.
func (s Scheme) Row(least, most float32) (r Row, factor float32) {
	size := max(most, -least)
	switch s {
	case Asymmetric:
		span := most - least + 1e-8
		return Row{Scale: span / 255, Offset: least}, 255 / span
	case Compressed:
		scale := size / 127.5
		if scale == 0 {
			scale = 0x1p-23
		}
		return Row{Scale: scale, Zero: 128}, 0
	default:
		factor = 127 / (size + 1e-6)
		return Row{Scale: 1 / (factor + 1e-6), Zero: 128}, factor
	}
}

// Weights writes a row w of a weight to q and returns the scale: w ≈ scale·q, by
// [Symmetric].
func Weights(q []int8, w []float32) (scale float32) {
	var size float32
	for _, v := range w {
		size = max(size, v, -v)
	}
	r, factor := Symmetric.Row(-size, size)
	for i, v := range w {
		q[i] = int8(math.RoundToEven(float64(v * factor)))
	}
	return r.Scale
}
