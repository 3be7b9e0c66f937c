package op

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/internal/golden"
)

func init() {
	example(DistilLossOp{exampleScope, Distillation{0.5, 2}}, DistilTopLossOp{exampleScope, Distillation{0.5, 2}})
}

func buildDistil(d Distillation) func(gorgonia.Nodes) (*gorgonia.Node, error) {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		loss, _, err := DistilLoss("head", in[0], in[1], in[2], in[3], in[4], in[5], d)
		return loss, err
	}
}

func buildDistilTop(d Distillation) func(gorgonia.Nodes) (*gorgonia.Node, error) {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		loss, _, err := DistilTopLoss("head", in[0], in[1], in[2], in[3], in[4], in[5], d)
		return loss, err
	}
}

// distilArguments are those of a head with its loss and a teacher of width 7,
// by its hidden states or, for k above 0, its top-k log-probabilities.
func distilArguments(k int, targets ...int32) []argument {
	args := headArguments(1.0/4, 1, targets...)
	r := random(17)
	n, vocab := len(targets), args[1].shape[0]
	hidden, head := normal(r, "hidden", 1, n, 7), normal(r, "teacher", 1, vocab, 7)
	hidden.fixed, head.fixed = true, true
	if k == 0 {
		return append(args, hidden, head)
	}
	ids := argument{name: "ids", shape: tensor.Shape{n * k}}
	logp := argument{name: "logp", shape: tensor.Shape{n, k}, fixed: true}
	for t := range n {
		z := make([]float64, vocab)
		for i := range z {
			z[i] = dot(hidden.data[t*7:], head.data[i*7:], 7)
		}
		softmax(z, 1)
		for range k {
			best := 0
			for i := range z {
				if z[i] > z[best] {
					best = i
				}
			}
			ids.ids = append(ids.ids, int32(best))
			logp.data = append(logp.data, float64(float32(math.Log(z[best]))))
			z[best] = -1
		}
	}
	return append(args, ids, logp)
}

func TestDistilLossGradient(t *testing.T) {
	targets := []int32{3, Unsupervised, 8, 3}
	for _, d := range []Distillation{{0, 1}, {0, 3}, {0.5, 1}, {0.3, 2}, {1, 2}} {
		t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) {
			checkGradients(t, function{args: distilArguments(0, targets...), build: buildDistil(d)})
		})
		t.Run(fmt.Sprintf("top 3 of %+v", d), func(t *testing.T) {
			checkGradients(t, function{args: distilArguments(3, targets...), build: buildDistilTop(d)})
		})
	}
}

// With α = 1 the teacher is not heard, and with all its log-probabilities the
// stored form is the other one.
func TestDistilLossLimits(t *testing.T) {
	targets := []int32{3, 0, Unsupervised, 3}
	label := evaluateTape(t, function{args: headArguments(1.0/4, 1, targets...), build: buildHeadLoss}, tensor.Float64)
	const vocab = 9
	for _, c := range []struct {
		name      string
		got, want result
	}{
		{"label", evaluateTape(t, function{args: distilArguments(0, targets...), build: buildDistil(Distillation{1, 2})}, tensor.Float64), label},
		{"label, stored", evaluateTape(t, function{args: distilArguments(2, targets...), build: buildDistilTop(Distillation{1, 2})}, tensor.Float64), label},
		{
			"all stored",
			evaluateTape(t, function{args: distilArguments(vocab, targets...), build: buildDistilTop(Distillation{0.25, 2})}, tensor.Float64),
			evaluateTape(t, function{args: distilArguments(0, targets...), build: buildDistil(Distillation{0.25, 2})}, tensor.Float64),
		},
	} {
		if math.Abs(c.got.loss-c.want.loss) > 1e-6 {
			t.Errorf("%s: loss is %v, want %v", c.name, c.got.loss, c.want.loss)
		}
		for name, want := range c.want.grads {
			if err := golden.Check("gradient of "+name, c.got.grads[name], want, 1e-6); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// A teacher that is the student leaves no gradient in the soft part.
func TestDistilLossOfItself(t *testing.T) {
	args := headArguments(1, 1, 2, 5)
	hidden, head := args[0], args[1]
	hidden.name, head.name, hidden.fixed, head.fixed = "hidden", "teacher", true, true
	r := evaluateTape(t, function{args: append(args, hidden, head), build: buildDistil(Distillation{0, 2})}, tensor.Float64)
	for name, grad := range r.grads {
		for i, g := range grad {
			if math.Abs(g) > 1e-12 {
				t.Errorf("gradient of %s[%d] is %v, want 0", name, i, g)
			}
		}
	}
}

func TestDistilLossMustBeRoot(t *testing.T) {
	f := function{args: distilArguments(0, 1, 2), build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		loss, err := buildDistil(Distillation{0, 1})(in)
		if err != nil {
			return nil, err
		}
		return gorgonia.Mul(loss, gorgonia.NewConstant(2.0))
	}}
	if _, err := record(f, tensor.Float64, true); err == nil || !strings.Contains(err.Error(), errNotRoot.Error()) {
		t.Errorf("error is %v, want %v", err, errNotRoot)
	}
}

func TestDistilLossErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		d      Distillation
		top    bool
		change func(args []argument)
		want   string
	}{
		{"alpha", Distillation{1.5, 1}, false, func([]argument) {}, "alpha is 1.5"},
		{"temperature", Distillation{0, 0}, true, func([]argument) {}, "temperature 0"},
		{"teacher's vocabulary", Distillation{0, 1}, false, func(a []argument) { a[5] = normal(random(1), "teacher", 1, 8, 7) }, "its head (8, 7)"},
		{"teacher's width", Distillation{0, 1}, false, func(a []argument) { a[5] = normal(random(1), "teacher", 1, 9, 6) }, "its head (9, 6)"},
		{"number of ids", Distillation{0, 1}, true, func(a []argument) { a[4] = tokens("ids", 1, 2, 3) }, "the teacher's ids (3)"},
		{"target", Distillation{0, 1}, false, func(a []argument) { a[2] = tokens("targets", 1, 9) }, "target 1 is 9, vocabulary has 9"},
		{"id", Distillation{0, 1}, true, func(a []argument) { a[4] = tokens("ids", 1, 2, 3, 9) }, "teacher's id 3 is 9, vocabulary has 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, build := 0, buildDistil(c.d)
			if c.top {
				k, build = 2, buildDistilTop(c.d)
			}
			args := distilArguments(k, 1, 2)
			c.change(args)
			m, err := record(function{args: args, build: build}, tensor.Float64, false)
			if err == nil {
				defer m.vm.Close()
				_, err = m.run(args)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
		})
	}
}

// TestPyTorchDistil compares loss and gradients of a small model, its head tied
// to its embedding or not, with testdata/distil.json.
func TestPyTorchDistil(t *testing.T) {
	records, err := golden.LoadOps("testdata/distil.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 24 {
		t.Fatalf("%d cases", len(records))
	}
	for _, o := range records {
		at := map[string]int{}
		var args []argument
		for i, a := range o.Inputs {
			at[a.Name] = i
			args = append(args, argument{name: a.Name, shape: a.Shape, data: a.Data, ids: a.IDs, fixed: a.Grad == nil})
		}
		build := func(label bool) func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return distilModel(o, at, in, label) }
		}
		for _, p := range []struct {
			dtype     tensor.Dtype
			tolerance float64
		}{{tensor.Float64, 1e-9}, {tensor.Float32, 1e-5}} {
			t.Run(o.Kind+"/"+o.Name+"/"+p.dtype.String(), func(t *testing.T) {
				r := evaluateTape(t, function{args: args, build: build(false)}, p.dtype)
				if err := golden.Check("loss", []float64{r.loss}, o.Output.Data, p.tolerance); err != nil {
					t.Error(err)
				}
				for _, a := range o.Inputs {
					if a.Grad == nil {
						continue
					}
					if err := golden.Check("gradient of "+a.Name, r.grads[a.Name], a.Grad, p.tolerance); err != nil {
						t.Error(err)
					}
				}
				m, err := record(function{args: args, build: build(true)}, p.dtype, false)
				if err != nil {
					t.Fatal(err)
				}
				defer m.vm.Close()
				label, err := m.run(args)
				if err != nil {
					t.Fatal(err)
				}
				if err := golden.Check("label loss", []float64{label.loss}, []float64{o.Attrs["label"]}, p.tolerance); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// distilModel is testdata/distil.py's model up to its loss or its label loss.
func distilModel(o golden.Op, at map[string]int, in gorgonia.Nodes, label bool) (*gorgonia.Node, error) {
	node := func(name string) *gorgonia.Node { return in[at[name]] }
	x, err := Embedding("embed", node("embed"), node("tokens"))
	if err != nil {
		return nil, err
	}
	if x, err = RMSNorm("norm", x, node("norm"), 1e-5); err != nil {
		return nil, err
	}
	head := node("embed")
	if _, untied := at["head"]; untied {
		head = node("head")
	}
	d := Distillation{o.Attrs["alpha"], o.Attrs["temperature"]}
	var loss, only *gorgonia.Node
	if o.Kind == "distilloss" {
		loss, only, err = DistilLoss("head", x, head, node("targets"), node("scale"), node("hidden"), node("teacher"), d)
	} else {
		loss, only, err = DistilTopLoss("head", x, head, node("targets"), node("scale"), node("ids"), node("logp"), d)
	}
	if label {
		return only, err
	}
	return loss, err
}
