package op

import (
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

func init() { example(ScaleOp{exampleScope}) }

// What Remake makes of x̂ is the norm's output, to the bit.
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
		made, ok := norm.Remake(0)
		if !ok || made.Part != 1 || !slices.Equal(made.Inputs, []int{1}) {
			t.Fatalf("y is made again by %+v, %v, want from part 1 and input 1", made, ok)
		}
		again, err := made.Op.Do(xhat.value(dtype), w.value(dtype))
		if err != nil {
			t.Fatal(err)
		}
		if !again.Shape().Eq(x.shape) {
			t.Errorf("%v: shape is %v, want %v", dtype, again.Shape(), x.shape)
		}
		if err := golden.Check("norm made again", elements(again), parts[:35], 0); err != nil {
			t.Errorf("%v: %v", dtype, err)
		}
		if at := made.Op.Scope(); at != "0.norm" {
			t.Errorf("scope is %s", at)
		}
		for i := 1; i < 3; i++ {
			if made, ok := norm.Remake(i); ok {
				t.Errorf("part %d is made again by %+v", i, made)
			}
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
