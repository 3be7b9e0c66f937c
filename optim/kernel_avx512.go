//go:build goexperiment.simd && amd64

package optim

import (
	"simd/archsimd"

	"mobilellm/internal/bfloat16"
)

// The kernels on AVX-512, 16 elements at a time. They wait for memory, not for
// arithmetic, so they multiply and add apart instead of fusing: that costs
// nothing and rounds as the plain kernels do. What is left of a slice that is
// no multiple of 16 goes to the plain ones.

var hasAVX512 = archsimd.X86.AVX512()

func adamUpdate(p, g, m, v []float32, s *adamScalars) {
	n := 0
	if hasAVX512 {
		n = len(p) &^ (lanes - 1)
		adamAVX512(p[:n], g[:n], m[:n], v[:n], s)
	}
	adamPlain(p[n:], g[n:], m[n:], v[n:], s)
}

func adamUpdateBF16(p, g []float32, m, v []uint16, s *adamScalars) {
	n := 0
	if hasAVX512 {
		n = len(p) &^ (lanes - 1)
		adamBF16AVX512(p[:n], g[:n], m[:n], v[:n], s)
	}
	adamBF16Plain(p[n:], g[n:], m[n:], v[n:], s)
}

func sgdUpdate(p, g []float32, s *sgdScalars) {
	n := 0
	if hasAVX512 {
		n = len(p) &^ (lanes - 1)
		sgdAVX512(p[:n], g[:n], s)
	}
	sgdPlain(p[n:], g[n:], s)
}

func momentumUpdate(p, g, b []float32, s *sgdScalars) {
	n := 0
	if hasAVX512 {
		n = len(p) &^ (lanes - 1)
		momentumAVX512(p[:n], g[:n], b[:n], s)
	}
	momentumPlain(p[n:], g[n:], b[n:], s)
}

func sumSquares(g []float32) float64 {
	if !hasAVX512 {
		return sumSquaresPlain(g)
	}
	n := len(g) &^ (lanes - 1)
	var sums [lanes]float64
	sumSquaresAVX512(g[:n], &sums)
	return foldSums(&sums, g[n:])
}

func adamAVX512(p, g, m, v []float32, s *adamScalars) {
	gradScale := archsimd.BroadcastFloat32x16(s.gradScale)
	l2 := archsimd.BroadcastFloat32x16(s.l2)
	keep := archsimd.BroadcastFloat32x16(s.keep)
	beta1c := archsimd.BroadcastFloat32x16(s.beta1c)
	beta2 := archsimd.BroadcastFloat32x16(s.beta2)
	beta2c := archsimd.BroadcastFloat32x16(s.beta2c)
	rootScale := archsimd.BroadcastFloat32x16(s.rootScale)
	eps := archsimd.BroadcastFloat32x16(s.eps)
	stepSize := archsimd.BroadcastFloat32x16(s.stepSize)

	for len(p) >= lanes && len(g) >= lanes && len(m) >= lanes && len(v) >= lanes {
		value := archsimd.LoadFloat32x16Slice(p)
		grad := archsimd.LoadFloat32x16Slice(g).Mul(gradScale).Add(l2.Mul(value))
		mean := archsimd.LoadFloat32x16Slice(m)
		mean = mean.Add(beta1c.Mul(grad.Sub(mean)))
		square := beta2.Mul(archsimd.LoadFloat32x16Slice(v)).Add(beta2c.Mul(grad).Mul(grad))
		denominator := square.Sqrt().Mul(rootScale).Add(eps)
		value = value.Mul(keep).Sub(stepSize.Mul(mean).Div(denominator))
		value.StoreSlice(p)
		mean.StoreSlice(m)
		square.StoreSlice(v)
		p, g, m, v = p[lanes:], g[lanes:], m[lanes:], v[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

// adamBF16AVX512 is adamAVX512 with moments in bf16.
func adamBF16AVX512(p, g []float32, m, v []uint16, s *adamScalars) {
	gradScale := archsimd.BroadcastFloat32x16(s.gradScale)
	l2 := archsimd.BroadcastFloat32x16(s.l2)
	keep := archsimd.BroadcastFloat32x16(s.keep)
	beta1c := archsimd.BroadcastFloat32x16(s.beta1c)
	beta2 := archsimd.BroadcastFloat32x16(s.beta2)
	beta2c := archsimd.BroadcastFloat32x16(s.beta2c)
	rootScale := archsimd.BroadcastFloat32x16(s.rootScale)
	eps := archsimd.BroadcastFloat32x16(s.eps)
	stepSize := archsimd.BroadcastFloat32x16(s.stepSize)

	for len(p) >= lanes && len(g) >= lanes && len(m) >= lanes && len(v) >= lanes {
		value := archsimd.LoadFloat32x16Slice(p)
		grad := archsimd.LoadFloat32x16Slice(g).Mul(gradScale).Add(l2.Mul(value))
		mean := bfloat16.Load((*[lanes]uint16)(m))
		mean = mean.Add(beta1c.Mul(grad.Sub(mean)))
		square := beta2.Mul(bfloat16.Load((*[lanes]uint16)(v))).Add(beta2c.Mul(grad).Mul(grad))
		denominator := square.Sqrt().Mul(rootScale).Add(eps)
		value = value.Mul(keep).Sub(stepSize.Mul(mean).Div(denominator))
		value.StoreSlice(p)
		bfloat16.Store((*[lanes]uint16)(m), mean)
		bfloat16.Store((*[lanes]uint16)(v), square)
		p, g, m, v = p[lanes:], g[lanes:], m[lanes:], v[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

func sgdAVX512(p, g []float32, s *sgdScalars) {
	gradScale := archsimd.BroadcastFloat32x16(s.gradScale)
	l2 := archsimd.BroadcastFloat32x16(s.l2)
	lr := archsimd.BroadcastFloat32x16(s.lr)

	for len(p) >= lanes && len(g) >= lanes {
		value := archsimd.LoadFloat32x16Slice(p)
		grad := archsimd.LoadFloat32x16Slice(g).Mul(gradScale).Add(l2.Mul(value))
		value.Sub(lr.Mul(grad)).StoreSlice(p)
		p, g = p[lanes:], g[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

func momentumAVX512(p, g, b []float32, s *sgdScalars) {
	gradScale := archsimd.BroadcastFloat32x16(s.gradScale)
	l2 := archsimd.BroadcastFloat32x16(s.l2)
	momentum := archsimd.BroadcastFloat32x16(s.momentum)
	lr := archsimd.BroadcastFloat32x16(s.lr)

	for len(p) >= lanes && len(g) >= lanes && len(b) >= lanes {
		value := archsimd.LoadFloat32x16Slice(p)
		grad := archsimd.LoadFloat32x16Slice(g).Mul(gradScale).Add(l2.Mul(value))
		buffer := momentum.Mul(archsimd.LoadFloat32x16Slice(b)).Add(grad)
		buffer.StoreSlice(b)
		value.Sub(lr.Mul(buffer)).StoreSlice(p)
		p, g, b = p[lanes:], g[lanes:], b[lanes:]
	}
	archsimd.ClearAVXUpperBits()
}

func sumSquaresAVX512(g []float32, sums *[lanes]float64) {
	var low, high archsimd.Float64x8
	for len(g) >= lanes {
		x := archsimd.LoadFloat32x16Slice(g)
		lo, hi := x.GetLo().ConvertToFloat64(), x.GetHi().ConvertToFloat64()
		low = lo.MulAdd(lo, low)
		high = hi.MulAdd(hi, high)
		g = g[lanes:]
	}
	low.StoreSlice(sums[:8])
	high.StoreSlice(sums[8:])
	archsimd.ClearAVXUpperBits()
}
