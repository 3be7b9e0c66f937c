package op

import "math"

// RoPE is the rotary position embedding (Su et al., 2021) in the layout of
// LLaMA's Hugging Face code: element i of a head is rotated with element
// i+D/2 by the angle t·base^(−2i/D) at position t.
type RoPE struct {
	Base float64
}

// Frequencies returns the angle per position of each of the d/2 pairs.
func (r RoPE) Frequencies(d int) []float64 {
	f := make([]float64, d/2)
	for i := range f {
		f[i] = math.Pow(r.Base, -2*float64(i)/float64(d))
	}
	return f
}

// Table returns cos and sin of every angle for t positions, [t, d/2] each.
func (r RoPE) Table(t, d int) (cos, sin []float64) {
	f := r.Frequencies(d)
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
