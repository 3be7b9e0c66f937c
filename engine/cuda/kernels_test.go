//go:build unix

package cuda_test

import (
	"strings"
	"testing"

	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/shadow"
	"mobilellm/engine/kerneltest"
	"mobilellm/engine/op"
	"mobilellm/internal/testlong"
)

// chunk is more tokens than one piece of work of any kernel.
const chunk = 512

// compareKernels runs every case that the device has a kernel for.
func compareKernels(t *testing.T, dev *cuda.Device, skip func(kerneltest.Case) bool) {
	for _, c := range kerneltest.Cases(chunk) {
		if _, cached := c.Op.(op.CachedAttentionOp); cached || skip(c) {
			continue
		}
		for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
			t.Run(precision.String()+"/"+c.Name, func(t *testing.T) { c.Run(t, dev, precision) })
		}
	}
}

// A KV cache is refused by the operation's name.
func TestNoCacheOnGPU(t *testing.T) {
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	for _, c := range kerneltest.Cases(chunk) {
		if o, cached := c.Op.(op.CachedAttentionOp); cached {
			_, err := dev.Compile(&engine.Instr{Op: o})
			if err == nil || !strings.Contains(err.Error(), "has no kernel for op.CachedAttentionOp") {
				t.Errorf("%s: %v", c.Name, err)
			}
			return
		}
	}
	t.Error("no case of a KV cache")
}

// Every instruction becomes the launches that its operation means: on the shadow,
// whose kernels are plain Go.
func TestKernelsOnShadow(t *testing.T) {
	dev, _ := open(t, shadow.Options{}, cuda.Options{HeadBytes: 1}) // cases in chunks are then of several
	compareKernels(t, dev, func(c kerneltest.Case) bool {
		if strings.Contains(c.Name, "T1100") {
			return true // a minute in plain Go
		}
		if strings.HasPrefix(c.Name, "distiltoploss") || strings.HasPrefix(c.Name, "toplogprobs") {
			return true // their kernels have no plain version; the emulator runs them
		}
		// The shadow's attention is plain Go: what is tested is that its launches are those
		// of the operation, as the smaller shapes show too.
		if !testlong.On() && (strings.Contains(c.Name, " T256") || strings.Contains(c.Name, " T300")) {
			return true
		}
		for _, large := range []string{" 300x", "in chunks"} {
			if testing.Short() && strings.Contains(c.Name, large) {
				return true
			}
		}
		return false
	})
}
