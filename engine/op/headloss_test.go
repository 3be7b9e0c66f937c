package op

import (
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func init() { example(HeadLossOp{exampleScope, 0.5}) }

func buildHeadLoss(in gorgonia.Nodes) (*gorgonia.Node, error) {
	return HeadLoss("head", in[0], in[1], in[2], in[3])
}

func headArguments(scale, width float64, targets ...int32) []argument {
	r := random(13)
	const c, v = 5, 9
	return []argument{
		normal(r, "x", width, len(targets), c), normal(r, "w", 1, v, c),
		tokens("targets", targets...), constant("scale", scale),
	}
}

func TestHeadLossGradient(t *testing.T) {
	for _, c := range []struct {
		name    string
		scale   float64
		targets []int32
	}{
		{"all supervised", 1.0 / 4, []int32{3, 0, 8, 3}},
		{"some unsupervised", 1.0 / 3, []int32{Unsupervised, 8, 2, Unsupervised, 0, Unsupervised}},
		{"any negative target is unsupervised", 1, []int32{-100, 5}},
		{"one token", 0.5, []int32{7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkGradients(t, function{args: headArguments(c.scale, 1, c.targets...), build: buildHeadLoss})
		})
	}
}

// buildHeadZLoss has a coefficient that makes the term as large as the rest.
func buildHeadZLoss(in gorgonia.Nodes) (*gorgonia.Node, error) {
	loss, _, err := HeadZLoss("head", in[0], in[1], in[2], in[3], 0.3)
	return loss, err
}

func TestHeadZLossGradient(t *testing.T) {
	for _, targets := range [][]int32{{3, 0, 8, 3}, {Unsupervised, 8, 2, Unsupervised}} {
		checkGradients(t, function{args: headArguments(0.25, 1, targets...), build: buildHeadZLoss})
	}
}

// The term is what it adds to the loss.
func TestHeadZLossApart(t *testing.T) {
	args := headArguments(0.25, 1, 3, Unsupervised, 0, 8)
	m, err := record(function{args: args, build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		_, z, err := HeadZLoss("head", in[0], in[1], in[2], in[3], 0.3)
		return z, err
	}}, tensor.Float64, false)
	if err != nil {
		t.Fatal(err)
	}
	defer m.vm.Close()
	r, err := m.run(args)
	if err != nil {
		t.Fatal(err)
	}
	with := evaluateTape(t, function{args: args, build: buildHeadZLoss}, tensor.Float64).loss
	without := evaluateTape(t, function{args: args, build: buildHeadLoss}, tensor.Float64).loss
	if math.Abs(with-without-r.out[0]) > 1e-12 || !(r.out[0] > 0.1) {
		t.Errorf("the loss is %v, %v without the term, which is %v", with, without, r.out[0])
	}
}

func TestHeadLossNothingSupervised(t *testing.T) {
	r := evaluateTape(t, function{args: headArguments(1, 1, -1, -1), build: buildHeadLoss}, tensor.Float64)
	if r.loss != 0 {
		t.Errorf("loss is %v, want 0", r.loss)
	}
	for name, grad := range r.grads {
		for i, g := range grad {
			if g != 0 {
				t.Errorf("gradient of %s[%d] is %v, want 0", name, i, g)
			}
		}
	}
}

// Logits far beyond exp's range: the loss is the distance to the largest.
func TestHeadLossLargeLogits(t *testing.T) {
	args := headArguments(1, 1, 0)
	args[0].data = []float64{1000, 0, 0, 0, 0}
	for i := range args[1].data {
		args[1].data[i] = 0
	}
	args[1].data[4*5] = 2 // logit 4 is 2000, all others 0
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		r := evaluateTape(t, function{args: args, build: buildHeadLoss}, dtype)
		if r.loss != 2000 {
			t.Errorf("%v: loss is %v, want 2000", dtype, r.loss)
		}
		if g := r.grads["x"][0]; math.Abs(g-2) > 1e-6 {
			t.Errorf("%v: gradient is %v, want 2", dtype, g)
		}
	}
}

// The packed gradients hold for the root only: anything else is refused.
func TestHeadLossMustBeRoot(t *testing.T) {
	f := function{
		args: headArguments(1, 1, 1, 2),
		build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			loss, err := buildHeadLoss(in)
			if err != nil {
				return nil, err
			}
			return gorgonia.Mul(loss, gorgonia.NewConstant(2.0))
		},
	}
	_, err := record(f, tensor.Float64, true)
	if err == nil || !strings.Contains(err.Error(), errNotRoot.Error()) {
		t.Errorf("error is %v, want %v", err, errNotRoot)
	}
}

// The log-probabilities of the targets are those of a softmax, 0 where there is
// none; scaled they sum to the loss.
func TestHeadLossLogProbs(t *testing.T) {
	const scale, c, v = 0.25, 5, 9
	targets := []int32{3, Unsupervised, 0, 8}
	args := headArguments(scale, 1, targets...)
	for dtype, tolerance := range map[tensor.Dtype]float64{tensor.Float32: 1e-5, tensor.Float64: 1e-12} {
		m, err := record(function{args: args, build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			_, logp, err := HeadLossLogProbs("head", in[0], in[1], in[2], in[3])
			return logp, err
		}}, dtype, false)
		if err != nil {
			t.Fatal(err)
		}
		defer m.vm.Close()
		r, err := m.run(args)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for i, target := range targets {
			var want, total float64
			if target >= 0 {
				for j := range v {
					var z float64
					for k := range c {
						z += args[0].data[i*c+k] * args[1].data[j*c+k]
					}
					total += math.Exp(z)
					if j == int(target) {
						want = z
					}
				}
				want -= math.Log(total)
			}
			if got := r.out[i]; math.Abs(got-want) > tolerance || math.Signbit(got) && want == 0 {
				t.Errorf("%v: token %d has %v, want %v", dtype, i, got, want)
			}
			sum += want
		}
		if loss := evaluateTape(t, function{args: args, build: buildHeadLoss}, dtype).loss; math.Abs(loss+scale*sum) > tolerance {
			t.Errorf("%v: the loss is %v, of the log-probabilities %v", dtype, loss, -scale*sum)
		}
	}
}

// Log-probabilities are no part of what is differentiated.
func TestHeadLossLogProbsHaveNoGradient(t *testing.T) {
	_, err := record(function{args: headArguments(1, 1, 1, 2), build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
		_, logp, err := HeadLossLogProbs("head", in[0], in[1], in[2], in[3])
		return logp, err
	}}, tensor.Float64, true)
	if err == nil || !strings.Contains(err.Error(), "part 3 of head takes no gradient") {
		t.Errorf("error is %v", err)
	}
}
