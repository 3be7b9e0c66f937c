package op

import (
	"fmt"
	"math"
)

// RoPE is the rotary position embedding (Su et al., 2021) in the layout of
// LLaMA's Hugging Face code: element i of a head is rotated with element
// i+D/2 by the angle t·base^(−2i/D) at position t, or by what Scaling makes of
// that.
type RoPE struct {
	Base    float64
	Scaling RoPEScaling
}

// RoPEScaling stretches the wavelengths of a RoPE, so that a model trained on
// short sequences runs on longer ones. Its zero value stretches nothing.
type RoPEScaling struct {
	Kind   RoPEKind
	Factor float64 // 1 or more
	// Original is the length that the model was trained for, for DynamicRoPE
	// and Llama3RoPE.
	Original int
	// LowFreq and HighFreq bound, as turns within Original, the frequencies
	// between the stretched and the untouched ones; for Llama3RoPE.
	LowFreq, HighFreq float64
}

// RoPEKind is a rule by which wavelengths are stretched.
type RoPEKind string

const (
	// PlainRoPE stretches nothing.
	PlainRoPE RoPEKind = ""
	// LinearRoPE makes every wavelength Factor times longer.
	LinearRoPE RoPEKind = "linear"
	// DynamicRoPE raises the base by the length of the sequence that runs, once
	// that is beyond Original ("NTK-aware" scaling).
	DynamicRoPE RoPEKind = "dynamic"
	// Llama3RoPE makes long wavelengths Factor times longer, leaves short ones
	// as they are and goes smoothly between them (Llama 3.1).
	Llama3RoPE RoPEKind = "llama3"
)

// known reports whether there is such a rule.
func (k RoPEKind) known() bool {
	switch k {
	case PlainRoPE, LinearRoPE, DynamicRoPE, Llama3RoPE:
		return true
	}
	return false
}

// Frequencies returns the angle per position of each of the d/2 pairs in a
// sequence of t positions. Only DynamicRoPE depends on t. An
// unknown rule panics; an attention refuses it when the graph is built.
func (r RoPE) Frequencies(t, d int) []float64 {
	s := r.Scaling
	base := r.Base
	if s.Kind == DynamicRoPE && t > s.Original {
		growth := s.Factor*float64(t)/float64(s.Original) - (s.Factor - 1)
		base *= math.Pow(growth, float64(d)/float64(d-2))
	}
	f := make([]float64, d/2)
	for i := range f {
		f[i] = math.Pow(base, -2*float64(i)/float64(d))
		switch s.Kind {
		case PlainRoPE, DynamicRoPE:
		case LinearRoPE:
			f[i] /= s.Factor
		case Llama3RoPE:
			f[i] = s.llama3(f[i])
		default:
			panic(fmt.Sprintf("op: unknown kind of RoPE scaling %q", s.Kind))
		}
	}
	return f
}

// llama3 blends a frequency with its Factor-th part by how often it turns
// within the original length: all of the part below LowFreq turns, none of it
// above HighFreq.
func (s RoPEScaling) llama3(f float64) float64 {
	turns := f * float64(s.Original) / (2 * math.Pi)
	kept := (turns - s.LowFreq) / (s.HighFreq - s.LowFreq)
	kept = min(max(kept, 0), 1)
	return kept*f + (1-kept)*f/s.Factor
}

// Table returns cos and sin of every angle for a sequence of t positions,
// [t, d/2] each.
func (r RoPE) Table(t, d int) (cos, sin []float64) {
	f := r.Frequencies(t, d)
	cos, sin = make([]float64, 0, t*d/2), make([]float64, 0, t*d/2)
	for p := range t {
		for _, w := range f {
			s, c := math.Sincos(float64(p) * w)
			cos, sin = append(cos, c), append(sin, s)
		}
	}
	return cos, sin
}

// rotate turns a head at one position by its angles; with sign −1 it turns it
// back, which is the gradient.
func rotate[T Float](dst, x []T, cos, sin []float64, sign float64) {
	h := len(x) / 2
	for i := range h {
		c, s := T(cos[i]), T(sign*sin[i])
		a, b := x[i], x[i+h]
		dst[i], dst[i+h] = a*c-b*s, b*c+a*s
	}
}
