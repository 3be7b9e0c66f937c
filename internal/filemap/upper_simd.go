//go:build goexperiment.simd && amd64

package filemap

import "simd/archsimd"

// clearUpper marks the upper halves of vector registers as unused. A goroutine that was
// preempted comes back with them in use (Go 1.26), and then each plain floating-point
// instruction waits for the one before: conversions take up to four times as long.
func clearUpper() {
	if archsimd.X86.AVX() {
		archsimd.ClearAVXUpperBits()
	}
}
