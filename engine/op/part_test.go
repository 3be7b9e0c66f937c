package op

import (
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

func init() {
	example(part{scope: exampleScope, of: "attention", Index: 1, offset: 24, shape: tensor.Shape{6, 4}})
}

// packedNorm is an RMSNorm with its three parts.
func packedNorm(t *testing.T) (packed *gorgonia.Node, x, w argument, in gorgonia.Nodes) {
	t.Helper()
	r := random(15)
	x, w = normal(r, "x", 1, 3, 4), normal(r, "w", 1, 4)
	g := gorgonia.NewGraph()
	in = gorgonia.Nodes{x.node(g, tensor.Float64), w.node(g, tensor.Float64)}
	y, err := RMSNorm("0.norm", in[0], in[1], 1e-5)
	if err != nil {
		t.Fatal(err)
	}
	return Children(y)[0], x, w, in
}

func TestPart(t *testing.T) {
	packed, x, w, _ := packedNorm(t)
	values := make([]gorgonia.Value, 3)
	for i, want := range []tensor.Shape{{3, 4}, {3, 4}, {3}} {
		p, err := Part(packed, i)
		if err != nil {
			t.Fatal(err)
		}
		if index, ok := PartIndex(p); !ok || index != i || !p.Shape().Eq(want) {
			t.Errorf("part %d is part %d (%v) of shape %v, want %v", i, index, ok, p.Shape(), want)
		}
		gorgonia.Read(p, &values[i])
	}
	if _, ok := PartIndex(packed); ok {
		t.Error("the packed value is a part")
	}
	vm := gorgonia.NewTapeMachine(packed.Graph())
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	// By their meaning: y = x̂·w and x̂ = x·r.
	y, xhat, rstd := elements(values[0]), elements(values[1]), elements(values[2])
	wantY, wantXhat := make([]float64, 12), make([]float64, 12)
	for i := range wantY {
		wantXhat[i] = x.data[i] * rstd[i/4]
		wantY[i] = xhat[i] * w.data[i%4]
	}
	for _, err := range []error{golden.Check("y", y, wantY, 1e-15), golden.Check("x̂", xhat, wantXhat, 1e-15)} {
		if err != nil {
			t.Error(err)
		}
	}
}

// A byproduct is for the backward pass: its gradient would be lost.
func TestPartRefusesGradientOfByproduct(t *testing.T) {
	for i := 1; i < 3; i++ {
		packed, _, _, in := packedNorm(t)
		byproduct, err := Part(packed, i)
		if err != nil {
			t.Fatal(err)
		}
		loss, err := gorgonia.Sum(byproduct)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = gorgonia.Grad(loss, in...); err == nil || !strings.Contains(err.Error(), "0.norm takes no gradient") {
			t.Errorf("part %d: error is %v", i, err)
		}
	}
}

func TestPartErrors(t *testing.T) {
	packed, _, _, in := packedNorm(t)
	for _, c := range []struct {
		node *gorgonia.Node
		part int
		want string
	}{
		{packed, 3, "part 3 of rmsnorm 0.norm, which has 3"},
		{packed, -1, "part -1 of rmsnorm 0.norm"},
		{in[0], 0, "part 0 of x, which is no operation of this package"},
	} {
		if _, err := Part(c.node, c.part); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want %q", err, c.want)
		}
	}
}

func TestChildrenKeepsDuplicates(t *testing.T) {
	g := gorgonia.NewGraph()
	x := gorgonia.NewMatrix(g, gorgonia.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("x"))
	w := gorgonia.NewMatrix(g, gorgonia.Float32, gorgonia.WithShape(4, 3), gorgonia.WithName("w"))
	y, err := Linear("0.test", x, w, w)
	if err != nil {
		t.Fatal(err)
	}
	got := Children(y)
	if len(got) != 3 || got[0] != x || got[1] != w || got[2] != w {
		t.Errorf("children are %v, want x w w", got)
	}
}
