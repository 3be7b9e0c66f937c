package optim

import (
	"math"

	"mobilellm/internal/bfloat16"
)

// The kernels in plain Go. They are the reference of the SIMD ones and finish
// their tails. Each product is rounded to float32 by a conversion of its own:
// the compiler must not fuse it with the sum that follows, or the two kinds of
// kernel would differ in the last bit.

func adamPlain(p, g, m, v []float32, s *adamScalars) {
	n := len(p)
	g, m, v = g[:n], m[:n], v[:n]
	for i := range p {
		grad := float32(g[i]*s.gradScale) + float32(s.l2*p[i])
		m[i] += float32(s.beta1c * (grad - m[i]))
		v[i] = float32(s.beta2*v[i]) + float32(float32(s.beta2c*grad)*grad)
		root := float32(math.Sqrt(float64(v[i]))) // exact: rounding twice is harmless for a root
		denominator := float32(root*s.rootScale) + s.eps
		p[i] = float32(p[i]*s.keep) - float32(s.stepSize*m[i])/denominator
	}
}

// adamBF16Plain is adamPlain with moments in bf16.
func adamBF16Plain(p, g []float32, m, v []uint16, s *adamScalars) {
	n := len(p)
	g, m, v = g[:n], m[:n], v[:n]
	for i := range p {
		grad := float32(g[i]*s.gradScale) + float32(s.l2*p[i])
		mean := bfloat16.Float32(m[i])
		mean += float32(s.beta1c * (grad - mean))
		square := float32(s.beta2*bfloat16.Float32(v[i])) + float32(float32(s.beta2c*grad)*grad)
		root := float32(math.Sqrt(float64(square)))
		denominator := float32(root*s.rootScale) + s.eps
		p[i] = float32(p[i]*s.keep) - float32(s.stepSize*mean)/denominator
		m[i], v[i] = bfloat16.Round(mean), bfloat16.Round(square)
	}
}

func sgdPlain(p, g []float32, s *sgdScalars) {
	g = g[:len(p)]
	for i := range p {
		grad := float32(g[i]*s.gradScale) + float32(s.l2*p[i])
		p[i] -= float32(s.lr * grad)
	}
}

func momentumPlain(p, g, b []float32, s *sgdScalars) {
	n := len(p)
	g, b = g[:n], b[:n]
	for i := range p {
		grad := float32(g[i]*s.gradScale) + float32(s.l2*p[i])
		b[i] = float32(s.momentum*b[i]) + grad
		p[i] -= float32(s.lr * b[i])
	}
}

// lanes is the number of running sums of sumSquares: as many as a SIMD
// register has elements, in the plain kernel too, so that both add in the same
// order.
const lanes = 16

// sumSquaresPlain adds the squares of g. A float32's square is exact in
// float64, so only the additions round.
func sumSquaresPlain(g []float32) float64 {
	var sums [lanes]float64
	i := 0
	for ; i+lanes <= len(g); i += lanes {
		for lane, x := range g[i : i+lanes : i+lanes] {
			sums[lane] += float64(x) * float64(x)
		}
	}
	return foldSums(&sums, g[i:])
}

// foldSums adds up the lanes, then the elements past the last full vector.
func foldSums(sums *[lanes]float64, tail []float32) float64 {
	total := 0.0
	for _, sum := range sums {
		total += sum
	}
	for _, x := range tail {
		total += float64(x) * float64(x)
	}
	return total
}
