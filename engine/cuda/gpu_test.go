//go:build gpu

package cuda_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/driver"
	"mobilellm/engine/kerneltest"
	"mobilellm/train"
)

// openGPU skips the test where there is no GPU.
func openGPU(t *testing.T, o cuda.Options) *cuda.Device {
	t.Helper()
	dev, err := cuda.New(driver.Open, o)
	if errors.Is(err, driver.ErrNoDevice) {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		t.Skip(reason)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dev.Close()
		if err := dev.Err(); err != nil {
			t.Error(err)
		}
	})
	t.Log(dev.Name())
	return dev
}

func TestKernelsOnGPU(t *testing.T) {
	for name, o := range map[string]cuda.Options{"tensor cores": {}, "plain": {Plain: true}, "small chunks": {HeadBytes: 1}} {
		t.Run(name, func(t *testing.T) {
			dev := openGPU(t, o)
			compareKernels(t, dev, func(c kerneltest.Case) bool {
				if o.Plain && !strings.Contains(c.Name, "attention") || o.HeadBytes > 0 && !strings.Contains(c.Name, "in chunks") {
					return true // the same as with tensor cores
				}
				return testing.Short() && strings.Contains(c.Name, "T1100") // minutes under compute-sanitizer
			})
		})
	}
}

// Twenty steps on the GPU give the processor's losses.
func TestTrainingOnGPU(t *testing.T) {
	for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
		for _, o := range []cuda.Options{{}, {NoGraphs: true}} {
			for _, microBatch := range []int{2, 4} { // with 4, a whole step, activations lie in the gradients' memory
				t.Run(fmt.Sprintf("%v, micro-batches of %d, graphs %v", precision, microBatch, !o.NoGraphs), func(t *testing.T) {
					dev := openGPU(t, o)
					c := small(text(t))
					c.Train.Precision, c.Train.MicroBatch = train.Precision{Value: precision}, train.MicroBatch(microBatch)
					_, got, _, heldout := losses(t, c, train.Options{Device: dev})
					_, again, _, _ := losses(t, c, train.Options{Device: dev})
					agree(t, "loss of the same run again", again, got, 0)
					compares(t, precision)
					_, want, _, wantHeldout := losses(t, c, train.Options{})
					agree(t, "loss", got, want, 1e-3)
					agree(t, "validation loss", heldout, wantHeldout, 1e-3)
				})
			}
		}
	}
}

// The profile's times come from events.
func TestProfileOnGPU(t *testing.T) {
	dev := openGPU(t, cuda.Options{})
	c := small(text(t))
	c.Train.Steps = 2
	out := filepath.Join(t.TempDir(), "run")
	result, err := train.Run(context.Background(), c, train.Options{Out: out, Device: dev, PeakFLOPS: 1e11, Profile: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range result.Profile.Rows() {
		if row.Time <= 0 {
			t.Errorf("%s took %v", row.Kind, row.Time)
		}
	}
}

// The peak is that of a matmul that keeps the GPU busy.
func TestPeakOnGPU(t *testing.T) {
	dev := openGPU(t, cuda.Options{})
	for _, p := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
		peak, err := dev.Peak(p, 1e8)
		if err != nil || peak < 1e12 {
			t.Errorf("the peak in %v is %.3g FLOP/s (%v)", p, peak, err)
		}
		t.Logf("%v: %.0f GFLOP/s", p, peak/1e9)
	}
	bandwidth, err := dev.ReadBandwidth()
	if err != nil || bandwidth < 1e11 {
		t.Errorf("memory moves %.3g bytes/s (%v)", bandwidth, err)
	}
	t.Logf("%.0f GB/s", bandwidth/1e9)
}
