package golden

import (
	"fmt"
	"math"
)

// Difference returns the largest |got−want| as a share of the largest |want|.
// It is +Inf where a value of got is not a number, where all of want is zero but
// got is not, and where the lengths differ, so that no tolerance accepts it.
func Difference[G, W float32 | float64](got []G, want []W) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, scale float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - float64(w))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		diff, scale = max(diff, d), max(scale, math.Abs(float64(w)))
	}
	if diff == 0 {
		return 0
	}
	return diff / scale
}

// Check returns an error that names what differs by more than the tolerance,
// measured by [Difference].
func Check[G, W float32 | float64](name string, got []G, want []W, tolerance float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s has %d elements, want %d", name, len(got), len(want))
	}
	if d := Difference(got, want); !(d <= tolerance) {
		return fmt.Errorf("%s differs by %.2g of its largest value, want at most %.0e", name, d, tolerance)
	}
	return nil
}
