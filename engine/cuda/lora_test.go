//go:build unix

package cuda_test

import (
	"math"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/shadow"
)

// Gradients of adapters on the GPU are the processor's, in float32 and in bf16 with the frozen
// matrices in bf16 alone; layers run twice.
func TestAdapters(t *testing.T) {
	gpu, _ := open(t, shadow.Options{}, cuda.Options{})
	host := cpu.New(cpu.Options{Workers: 1})
	defer host.Close()
	c := small("").Model
	l := arch.LoRA{Rank: 4, Targets: []string{"q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}}
	adapters, err := l.Parameters(c)
	if err != nil {
		t.Fatal(err)
	}
	var params []engine.Parameter
	for _, p := range c.Parameters() {
		params = append(params, engine.Parameter{Name: p.Name, Shape: p.Shape, Frozen: true, BF16: p.Layer >= 0 && len(p.Shape) == 2})
	}
	trained := map[string]bool{}
	for _, p := range adapters {
		params = append(params, engine.Parameter{Name: p.Name, Shape: p.Shape})
		trained[p.Name] = true
	}
	options := []arch.Option{arch.Adapt(l), arch.Freeze(func(name string) bool { return !trained[name] })}
	want := gradientsOf(t, host, c, params, engine.PrecisionF32, options...)
	if len(want) != 1+len(adapters) {
		t.Fatalf("%d values for %d adapters", len(want), len(adapters))
	}
	for precision, tolerance := range map[engine.Precision]float64{engine.PrecisionF32: 1e-4, engine.PrecisionBF16: 0.05} {
		for name, got := range gradientsOf(t, gpu, c, params, precision, options...) {
			var off, size float64
			for i, x := range got {
				off += math.Pow(float64(x-want[name][i]), 2)
				size += math.Pow(float64(want[name][i]), 2)
			}
			if !(off <= tolerance*tolerance*size) || size == 0 {
				t.Errorf("%v: %s differs by %.2g of its norm", precision, name, math.Sqrt(off/size))
			}
		}
	}
}
