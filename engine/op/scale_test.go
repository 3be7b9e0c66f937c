package op

import (
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

// What Again makes of x̂ is the norm's output, to the bit.
func TestScaleMakesNormAgain(t *testing.T) {
	r := random(18)
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		x, w := normal(r, "x", 2, 5, 7), normal(r, "w", 1, 7)
		norm := RMSNormOp{"0.norm", 1e-5}
		packed, err := norm.Do(x.value(dtype), w.value(dtype))
		if err != nil {
			t.Fatal(err)
		}
		parts := elements(packed)
		xhat := argument{name: "x̂", shape: x.shape, data: parts[35:70]}
		again, err := norm.Again().Do(xhat.value(dtype), w.value(dtype))
		if err != nil {
			t.Fatal(err)
		}
		if !again.Shape().Eq(x.shape) {
			t.Errorf("%v: shape is %v, want %v", dtype, again.Shape(), x.shape)
		}
		if err := golden.Check("norm made again", elements(again), parts[:35], 0); err != nil {
			t.Errorf("%v: %v", dtype, err)
		}
		if at := norm.Again().Place(); at != "0.norm" {
			t.Errorf("place is %s", at)
		}
	}
}

// Sum is Add for an executor: the same operation at the place it gives.
func TestSumIsAdd(t *testing.T) {
	g := gorgonia.NewGraph()
	a := gorgonia.NewMatrix(g, gorgonia.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("a"))
	n, err := Add("0.add", a, a)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Sum("0.add").Hashcode(), n.Op().Hashcode(); got != want {
		t.Errorf("hash %x, want %x", got, want)
	}
}
