// Package bfloat16 converts between float32 and bfloat16, the upper half of a
// float32: 8 bits of exponent and 8 of significand, the first of them implied.
//
// It is the one place where Go code rounds to bf16: kernels, optimizer state,
// checkpoints and exports call it, so they agree bit for bit.
package bfloat16

import "math"

// quiet is the bit that a quiet NaN has set, and roundingBias what carries
// everything above half a unit in the last place into the upper half.
const (
	quiet        = 0x40
	roundingBias = 0x7fff
)

// Round is the bf16 nearest to x, ties to even, as PyTorch rounds; what is too
// large becomes infinity. A NaN stays one, quiet, with its sign and the upper bits
// of its payload: the sum below could carry a payload into infinity.
func Round(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | quiet
	}
	return uint16((b + roundingBias + b>>16&1) >> 16)
}

// Float32 is the value of a bf16, which every float32 has room for.
func Float32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
