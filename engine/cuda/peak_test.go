//go:build unix

package cuda_test

import (
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/cuda/shadow"
)

// watched counts the different numbers in the factors of matmuls.
type watched struct {
	*shadow.Driver
	t         *testing.T
	size      int64 // of an element
	different map[string]bool
}

func (w *watched) Multiply(p cuda.Plan, a, b, c, work kernels.Pointer, add bool) error {
	const numbers = 8 * 8
	for _, factor := range []kernels.Pointer{a, b} {
		x := make([]byte, numbers*w.size)
		if err := w.Download(x, factor); err != nil {
			w.t.Error(err)
		}
		for ; len(x) > 0; x = x[w.size:] {
			w.different[string(x[:w.size])] = true
		}
	}
	return w.Driver.Multiply(p, a, b, c, work, add)
}

// The peak is that of a matmul of numbers, not of zeros.
func TestPeak(t *testing.T) {
	for precision, size := range map[engine.Precision]int64{engine.PrecisionF32: 4, engine.PrecisionBF16: 2} {
		driver := &watched{Driver: shadow.New(shadow.Options{}), t: t, size: size, different: map[string]bool{}}
		dev, err := cuda.New(func() (cuda.Driver, error) { return driver, nil }, cuda.Options{PeakEdge: 8})
		if err != nil {
			t.Fatal(err)
		}
		if peak, err := dev.Peak(precision, 1e3); err != nil || peak <= 0 {
			t.Errorf("the peak in %v is %v FLOP/s (%v)", precision, peak, err)
		}
		if n := len(driver.different); n < 50 {
			t.Errorf("%v: the factors of 64 numbers have %d different ones", precision, n)
		}
		dev.Close()
		if err := dev.Err(); err != nil {
			t.Error(err)
		}
	}
}
