package cpu

import (
	"testing"
	"time"

	"mobilellm/engine"
)

// TestPeak measures with the library and without.
func TestPeak(t *testing.T) {
	for _, missing := range []bool{false, true} {
		d := New(Options{Workers: 2})
		if missing {
			d.products = false
		}
		for _, p := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
			if p == engine.PrecisionBF16 && !d.BF16() {
				continue
			}
			speed, err := d.Peak(p, time.Millisecond)
			if err != nil || speed < leastPeak {
				t.Errorf("without oneDNN %v, %v: %v FLOP/s, error %v", missing, p, speed, err)
			}
		}
		d.Close()
	}
}
