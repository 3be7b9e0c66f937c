//go:build !(goexperiment.simd && amd64)

package optim

// This build has no SIMD kernels; see kernel_avx512.go for the other.

func adamUpdate(p, g, m, v []float32, s *adamScalars) { adamPlain(p, g, m, v, s) }

func adamUpdateBF16(p, g []float32, m, v []uint16, s *adamScalars) { adamBF16Plain(p, g, m, v, s) }

func sgdUpdate(p, g []float32, s *sgdScalars) { sgdPlain(p, g, s) }

func momentumUpdate(p, g, b []float32, s *sgdScalars) { momentumPlain(p, g, b, s) }

func sumSquares(g []float32) float64 { return sumSquaresPlain(g) }
