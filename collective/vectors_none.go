//go:build !goexperiment.simd || !amd64

package collective

func add(dst, x []float32)              { addPlain(dst, x) }
func roundTo(dst []uint16, x []float32) { roundPlain(dst, x) }
func widenTo(dst []float32, x []uint16) { widenPlain(dst, x) }
