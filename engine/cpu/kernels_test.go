package cpu

import (
	"fmt"
	"testing"

	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/kerneltest"
)

func TestKernelsAgreeWithPlainVersions(t *testing.T) {
	for _, workers := range []int{1, 2, 3} {
		for _, o := range []Options{{}, {OneDNN: true}, {Plain: true}} {
			o.Workers = workers
			d := New(o)
			defer d.Close()
			for _, c := range kerneltest.Cases(headTokens) {
				for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
					if precision == engine.PrecisionBF16 && !d.BF16() || testing.Short() && workers != 2 {
						continue
					}
					t.Run(fmt.Sprintf("%+v/%v/%s", o, precision, c.Name), func(t *testing.T) {
						c.Run(t, d, precision)
					})
				}
			}
		}
	}
}

// host is a tensor in device memory, with room behind it for another.
func host(d *Device, s tensor.Shape, t engine.DType) *engine.Tensor {
	mem, err := d.Alloc(int64(max(s.TotalSize(), 1))*8 + 1<<16)
	if err != nil {
		panic(err)
	}
	return engine.View(mem.Pointer(), t, s...)
}
