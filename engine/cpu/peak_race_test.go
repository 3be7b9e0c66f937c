//go:build race

package cpu

// leastPeak is a tenth of what plain Go has under the race detector, in FLOP/s.
const leastPeak = 1e7
