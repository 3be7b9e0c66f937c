//go:build unix

package cuda_test

import (
	"fmt"
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
		if !onGPU(c.Op) || skip(c) {
			continue
		}
		for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
			t.Run(precision.String()+"/"+c.Name, func(t *testing.T) { c.Run(t, dev, precision) })
		}
	}
}

// onGPU reports whether the GPU has a kernel for an operation: for a KV cache and for
// dropout it has none.
func onGPU(o op.Op) bool {
	switch o.(type) {
	case op.CachedAttentionOp, op.DropoutOp, op.DropoutGradOp:
		return false
	}
	return true
}

// An operation that there is no kernel for is refused by its name.
func TestNotOnGPU(t *testing.T) {
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	refused := map[string]bool{}
	for _, c := range kerneltest.Cases(chunk) {
		if name := fmt.Sprintf("%T", c.Op); !onGPU(c.Op) && !refused[name] {
			refused[name] = true
			_, err := dev.Compile(&engine.Instr{Op: c.Op})
			if err == nil || !strings.Contains(err.Error(), "has no kernel for "+name) {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
	if len(refused) != 3 {
		t.Errorf("refused are %v", refused)
	}
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
