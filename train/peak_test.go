package train

import (
	"errors"
	"testing"
	"time"

	"mobilellm/device"
	"mobilellm/engine"
)

// peaked is a device whose peak is told.
type peaked struct {
	device.Device
	peak     float64
	err      error
	measured int
}

func (p *peaked) Peak(engine.Precision, time.Duration) (float64, error) {
	p.measured++
	return p.peak, p.err
}

// No step has more than the whole peak; one that beats it has it measured again.
func TestUtilisation(t *testing.T) {
	dev := &peaked{peak: 80}
	r := &run{dev: dev, peak: 40, flops: 2}
	for _, tt := range []struct {
		speed, want float64
		measured    int
	}{
		{10, 0.5, 0},  // of 40
		{20, 1, 0},    // just so
		{30, 0.75, 1}, // of 80, measured again
		{50, 1, 2},    // beyond that too
		{25, 0.5, 2},
		{60, 1, 3},
		{70, 1, 3}, // no more measuring
	} {
		if got := r.utilisation(tt.speed); got != tt.want || dev.measured != tt.measured {
			t.Errorf("%g tokens/s: %g of the peak, measured %d times; want %g, %d", tt.speed, got, dev.measured, tt.want, tt.measured)
		}
	}
	r = &run{dev: &peaked{err: errors.New("no memory")}, peak: 40, flops: 2}
	if got := r.utilisation(30); got != 1 || r.peak != 60 {
		t.Errorf("where it cannot be measured: %g of %g", got, r.peak)
	}
}
