// Package quant says how numbers become few values, row by row: one scale for a row of a
// weight, which is an output, and one for a row of activations, which is a token.
//
// A [Scheme] makes integers of 8 bits, which kernels multiply (the paper's section 3.4 and
// Table 15: per-token min-max). A [Rule] rounds floats to what fewer bits stand for, and has a
// gradient, so that a model learns with it.
package quant

import (
	"fmt"
	"math"

	"mobilellm/internal/choices"
)

// Scheme is a way to quantise a row of activations.
type Scheme string

// The schemes. Weights are symmetric in all of them: see [Weights], and [CompressedWeights]
// for the last.
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

// Choices lists them for the help of a key.
func (Scheme) Choices() string { return choices.Of(Schemes()) }

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
	span := minMax(s, 8, x)
	if span.scale != span.scale {
		return Row{Scale: span.scale}
	}
	zero := int32(-span.low)
	for i, v := range x {
		q[i] = uint8(int32(span.integer(v)) + zero)
	}
	return Row{Scale: span.scale, Offset: span.offset, Zero: zero}
}

// Row is that of numbers from least to most, and what they are multiplied by, less the
// offset, before they are rounded; [Compressed] divides by the scale.
func (s Scheme) Row(least, most float32) (r Row, factor float32) {
	span := spanOf(s, 8, least, most)
	r = Row{Scale: span.scale, Offset: span.offset, Zero: 128}
	if s == Asymmetric {
		r.Zero = 0
	}
	return r, span.factor
}

// span is how numbers of a row become integers: round((x − offset)·factor), or
// round(x/scale) where factor is 0; and what these stand for, x ≈ scale·q + offset.
type span[T Float] struct{ factor, scale, offset, low, high T }

func spanOf[T Float](s Scheme, b Bits, least, most T) span[T] {
	size, top := max(most, -least), T(largest(s, b))
	switch s {
	case Asymmetric:
		width := most - least + 1e-8
		return span[T]{factor: top / width, scale: width / top, offset: least, high: top}
	case Compressed:
		scale := size / (top + 0.5)
		if scale == 0 {
			scale = 0x1p-23
		}
		return span[T]{scale: scale, low: -top - 1, high: top}
	default:
		factor := top / (size + 1e-6)
		return span[T]{factor: factor, scale: 1 / (factor + 1e-6), low: -top - 1, high: top}
	}
}

// largest is the largest integer of so many bits.
func largest(s Scheme, b Bits) float64 {
	if s == Asymmetric {
		return math.Exp2(float64(b)) - 1
	}
	return math.Exp2(float64(b)-1) - 1
}

// minMax is the span of a row; of one with a number that is not finite, its values are NaN.
func minMax[T Float](s Scheme, b Bits, x []T) span[T] {
	least, most := T(math.Inf(1)), T(math.Inf(-1))
	for _, v := range x {
		if v-v != 0 {
			return span[T]{scale: T(math.NaN())}
		}
		least, most = min(least, v), max(most, v)
	}
	return spanOf(s, b, least, most)
}

func (s span[T]) integer(v T) T {
	scaled := (v - s.offset) * s.factor
	if s.factor == 0 {
		scaled = v / s.scale
	}
	return max(s.low, min(s.high, even(scaled)))
}

func (s span[T]) value(q T) T { return s.scale*q + s.offset }

// Weights writes a row w of a weight to q and returns the scale: w ≈ scale·q, by
// [Symmetric].
func Weights(q []int8, w []float32) (scale float32) {
	most := size(w)
	r, factor := Symmetric.Row(-most, most)
	for i, v := range w {
		q[i] = int8(math.RoundToEven(float64(v * factor)))
	}
	return r.Scale
}

// CompressedWeights writes a row w of a weight to q and returns the scale, as
// compressed-tensors makes them of the least and the largest weight, by [Compressed]. Its
// scale is 1.004 times finer than that of [Weights]; the largest weight, where it is
// positive, is half a step off.
func CompressedWeights(q []int8, w []float32) (scale float32) {
	most := size(w)
	r, _ := Compressed.Row(-most, most)
	for i, v := range w {
		q[i] = int8(min(127, int32(math.RoundToEven(float64(v/r.Scale)))))
	}
	return r.Scale
}

// size is max|w|.
func size(w []float32) (most float32) {
	for _, v := range w {
		most = max(most, v, -v)
	}
	return most
}

// Matrix quantises w row by row, of cols weights each, by [Weights] or [CompressedWeights].
func Matrix(w []float32, cols int, row func(q []int8, w []float32) float32) (q []int8, scales []float32) {
	q, scales = make([]int8, len(w)), make([]float32, len(w)/cols)
	for i := range scales {
		scales[i] = row(q[i*cols:(i+1)*cols], w[i*cols:(i+1)*cols])
	}
	return q, scales
}

// Rounded is w as [Matrix] stores it.
func Rounded(w []float32, cols int, row func(q []int8, w []float32) float32) []float32 {
	q, scales := Matrix(w, cols, row)
	back := make([]float32, len(w))
	for i, v := range q {
		back[i] = scales[i/cols] * float32(v)
	}
	return back
}

// Block quantises x to q from 0 to 2·half−1, of which half stands for zero and 0 for the
// first element of the largest magnitude: x ≈ scale·(q − half), and scale is a −half-th of
// that element. These are ggml's q4_0 (half 8) and q5_0 (16), and 4-bit MatMulNBits too.
func Block(q []byte, x []float32, half int) (scale float32) {
	var extreme float32
	for _, v := range x {
		if math.Abs(float64(v)) > math.Abs(float64(extreme)) {
			extreme = v
		}
	}
	scale = extreme / float32(-half)
	inverse, zero := Inverse(scale), float32(half)+0.5
	for i, v := range x {
		q[i] = byte(min(2*half-1, int(float32(v*inverse)+zero)))
	}
	return scale
}

// Inverse is 1/scale, 0 where that is no number.
func Inverse(scale float32) float32 {
	inverse := 1 / scale
	if math.IsInf(float64(inverse), 0) {
		return 0
	}
	return inverse
}
