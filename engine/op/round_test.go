package op

import (
	"testing"

	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

func init() { example(RoundOp{exampleScope, Always}) }

// The plain version keeps what it is given: a copy.
func TestRound(t *testing.T) {
	w := normal(random(19), "w", 1, 4, 3)
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		v := w.value(dtype)
		got, err := Round("0.w", Always).Do(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := golden.Check("rounded", elements(got), w.data, 0); err != nil || got == v {
			t.Errorf("%v: %v, the same value: %v", dtype, err, got == v)
		}
	}
}
