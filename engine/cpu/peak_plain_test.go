//go:build !race

package cpu

// leastPeak is what any processor has, in FLOP/s.
const leastPeak = 1e8
