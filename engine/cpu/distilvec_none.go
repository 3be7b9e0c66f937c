//go:build !goexperiment.simd || !amd64

package cpu

func combine[D elem](dst []D, a float32, x []float32, b float32, y []float32) {
	combinePlain(dst, a, x, b, y)
}
