package quant

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"mobilellm/internal/choices"
)

// Method is how a matrix is rounded to few values while a model learns.
type Method string

// The methods.
const (
	// MinMax spans each row from its smallest number to its largest (LLM-QAT, Liu et al.,
	// 2023): the values of [Scheme], in as many bits. The gradient is that of the result.
	MinMax Method = "minmax"
	// LSQ learns a step α for each row (Esser et al., 2020): y = α·clamp(round(x/α), Qn, Qp);
	// in 1 bit α·sign(x), as ParetoQ (Liu et al., 2025) has it.
	LSQ Method = "lsq"
	// SEQ, stretched elastic quantisation, learns a clip α for each row (ParetoQ): y =
	// α·(round(clamp(x/α)·n − s) + s)/n, n levels above zero. In an even number of values
	// none is zero.
	SEQ Method = "seq"
	// Sign is binary: −1 below zero, 1 otherwise, of a weight times its row's mean size. The
	// gradient passes where the number lies within (−1, 1).
	Sign Method = "sign"
)

// Methods are those that there are.
func Methods() []Method { return []Method{MinMax, LSQ, SEQ, Sign} }

// Choices lists them for the help of a key.
func (Method) Choices() string { return choices.Of(Methods()) }

// Learned reports whether each row has a number of its own that is trained.
func (m Method) Learned() bool { return m == LSQ || m == SEQ }

// Bits is the size of a number; 1.58 stands for three values, 16 for a number as it is.
type Bits float64

// Sizes with a meaning of their own.
const (
	Whole   Bits = 16
	Ternary Bits = 1.58
)

func (b Bits) String() string { return strconv.FormatFloat(float64(b), 'g', -1, 64) }

// Rounds reports whether numbers of so many bits are quantised at all.
func (b Bits) Rounds() bool { return b != 0 && b != Whole }

// Bits are the sizes that the method has for weights.
func (m Method) Bits() []Bits { return slices.Clone(bits[m]) }

// bits are the sizes that each method has for weights.
var bits = map[Method][]Bits{
	MinMax: {8, 4, 3, 2}, LSQ: {8, 4, 3, 2, 1}, SEQ: {4, 3, 2, Ternary}, Sign: {1},
}

// Rule is how the rows of a matrix are quantised.
type Rule struct {
	Method Method
	Bits   Bits
	Scheme Scheme // of MinMax; that of a weight is Symmetric
	Scaled bool   // of Sign: times the mean size of the row
}

// WeightRule is the rule for weights, nil where they are left as they are.
func WeightRule(m Method, b Bits) (*Rule, error) {
	if !b.Rounds() {
		return nil, nil
	}
	if !slices.Contains(bits[m], b) {
		return nil, fmt.Errorf("%s bits have no method %s for weights: %s", b, m, sizes(m))
	}
	return &Rule{Method: m, Bits: b, Scheme: Symmetric, Scaled: m == Sign}, nil
}

// ActivationRule is the rule for what a weight is multiplied with, nil where it is left as
// it is: in 8 bits [MinMax], by the scheme, whatever the method for weights; in 1 bit [Sign].
func ActivationRule(m Method, b Bits, s Scheme) (*Rule, error) {
	switch {
	case !b.Rounds():
		return nil, nil
	case b == 8:
		return &Rule{Method: MinMax, Bits: b, Scheme: s}, nil
	case b == 1 && m == Sign:
		return &Rule{Method: Sign, Bits: b}, nil
	}
	return nil, fmt.Errorf("activations of %s bits have no method %s: choose 16 or 8, or 1 with %s", b, m, Sign)
}

func sizes(m Method) string {
	var list []string
	for _, b := range bits[m] {
		list = append(list, b.String())
	}
	text := fmt.Sprintf("it takes 16 or %s", strings.Join(list, ", "))
	var others []string
	for _, other := range Methods() {
		if other != m && len(bits[other]) > 0 {
			var has []string
			for _, b := range bits[other] {
				has = append(has, b.String())
			}
			others = append(others, fmt.Sprintf("%s %s", other, strings.Join(has, ", ")))
		}
	}
	return text + "; " + strings.Join(others, "; ")
}

// Float is the type of what is quantised.
type Float interface{ float32 | float64 }

// least is the smallest α that is divided by.
const least = 1e-5

// levels are LSQ's largest integers below and above zero.
func (r Rule) levels() (low, high float64) {
	if r.Bits == 1 {
		return -1, 1
	}
	half := math.Exp2(float64(r.Bits) - 1)
	return -half, half - 1
}

// stretched are SEQ's levels above zero, and how far they lie beside whole numbers.
func (r Rule) stretched() (n, shift float64) {
	if r.Bits == Ternary {
		return 1.5, 0
	}
	return math.Exp2(float64(r.Bits) - 1), 0.5
}

// edge is where SEQ clips x/α, a little within 1 so that no number rounds beyond the last
// level.
const edge = 0.99

// Kernel holds the numbers of a rule as a device's kernel wants them: of LSQ the lowest and
// the highest integer; of SEQ the levels above zero and their shift; of MinMax the largest
// integer.
func (r Rule) Kernel() (a, b float32) {
	switch r.Method {
	case LSQ:
		low, high := r.levels()
		return float32(low), float32(high)
	case SEQ:
		n, shift := r.stretched()
		return float32(n), float32(shift)
	case MinMax:
		return float32(largest(r.Scheme, r.Bits)), 0
	}
	return 0, 0
}

// Start is the α that a row begins with (ParetoQ): its mean size in 1 bit, else what makes
// the largest number the last level.
func (r Rule) Start(row []float32) float32 {
	var sum float64
	var most float32
	for _, x := range row {
		sum += math.Abs(float64(x))
		most = max(most, x, -x)
	}
	switch {
	case r.Method == SEQ:
		return most
	case r.Bits == 1:
		return float32(sum / float64(max(1, len(row))))
	}
	_, high := r.levels()
	return most / float32(high)
}

// GradientScale is what the gradient of α is multiplied by, of a matrix of so many elements:
// 1/√(elements·Qp) (Esser et al., 2020, section 2.2).
func (r Rule) GradientScale(elements int) float64 {
	high := 1.0
	if r.Bits != Ternary {
		_, high = r.levels()
	}
	return 1 / math.Sqrt(float64(elements)*high)
}

// Round writes x, a row, to y as it is quantised; α is the row's own number where the method
// has one. A row with a number that is not finite becomes NaN by MinMax. y may be x.
func Round[T Float](r Rule, y, x []T, alpha T) {
	switch r.Method {
	case MinMax:
		span := minMax(r.Scheme, r.Bits, x)
		for i, v := range x {
			y[i] = span.value(span.integer(v))
		}
	case LSQ:
		low, high := r.levels()
		alpha = max(alpha, least)
		for i, v := range x {
			y[i] = alpha * lsq(r, v/alpha, T(low), T(high))
		}
	case SEQ:
		n, shift := r.stretched()
		alpha = max(alpha, least)
		for i, v := range x {
			y[i] = alpha * seq(v/alpha, T(n), T(shift))
		}
	case Sign:
		size := T(1)
		if r.Scaled {
			size = mean(x)
		}
		for i, v := range x {
			y[i] = size * sign(v)
		}
	}
}

// Backward writes the gradient of a row x to dx, of dy that of what [Round] makes of it, and
// returns that of α, not yet scaled. dx may be nil, or dy. [MinMax] has dx = dy.
func Backward[T Float](r Rule, dx, x, dy []T, alpha T) (dAlpha T) {
	var sum float64
	alpha = max(alpha, least)
	low, high := r.levels()
	n, shift := r.stretched()
	for i, v := range x {
		inside := true
		switch r.Method {
		case LSQ:
			ratio := v / alpha
			inside = ratio >= T(low) && ratio <= T(high)
			part := lsq(r, ratio, T(low), T(high))
			if inside && r.Bits > 1 {
				part -= ratio
			}
			sum += float64(part * dy[i])
		case SEQ:
			ratio := v / alpha
			inside = ratio >= -edge && ratio <= edge
			part := seq(ratio, T(n), T(shift))
			if inside {
				part -= ratio
			}
			sum += float64(part * dy[i])
		case Sign:
			inside = v > -1 && v < 1
		}
		if dx != nil {
			g := dy[i]
			if !inside {
				g = 0
			}
			dx[i] = g
		}
	}
	return T(sum)
}

// lsq is the integer of a number in steps of its row.
func lsq[T Float](r Rule, ratio, low, high T) T {
	if r.Bits == 1 {
		return sign(ratio)
	}
	return max(low, min(high, even(ratio)))
}

// seq is the value of a number in clips of its row.
func seq[T Float](ratio, n, shift T) T {
	return (even(max(-edge, min(edge, ratio))*n-shift) + shift) / n
}

func sign[T Float](x T) T {
	if x < 0 {
		return -1
	}
	return 1
}

// even rounds to nearest, ties to even.
func even[T Float](x T) T { return T(math.RoundToEven(float64(x))) }

func mean[T Float](x []T) T {
	var sum float64
	for _, v := range x {
		sum += math.Abs(float64(v))
	}
	return T(sum / float64(max(1, len(x))))
}
