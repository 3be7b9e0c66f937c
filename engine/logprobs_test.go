package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/engine/op"
	"mobilellm/internal/golden"
)

// TestTokenLogProbs holds each token's log-probability to the softmax of its
// logits, and scaled their sum to the loss; a token that is not supervised has 0.
// They go with scoring and with training, whose gradients they do not change.
func TestTokenLogProbs(t *testing.T) {
	for _, o := range []cpu.Options{{}, {OneDNN: true}} {
		dev := cpu.New(o)
		t.Cleanup(dev.Close)
		for precision, tolerance := range map[engine.Precision]float64{engine.PrecisionF32: 1e-5, engine.PrecisionBF16: 3e-2} {
			if precision == engine.PrecisionBF16 && !dev.BF16() {
				continue
			}
			t.Run(fmt.Sprintf("%+v/%v", o, precision), func(t *testing.T) {
				c, config := goldenCase(t, "untied_gqa")
				b := c.Batches[0]
				b.Targets = append([]int32(nil), b.Targets...)
				b.Targets[2] = op.Unsupervised
				opt := engine.Options{Precision: precision}
				want := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, opt)
				loss := want.gradients(t, b)
				tr := newTrainer(t, dev, config, c.Params, c.Batch, c.Seq, opt, arch.TokenLogProbs)
				if got := tr.gradients(t, b); got != loss {
					t.Errorf("the training loss is %v, without the option %v", got, loss)
				}
				for i, p := range tr.params {
					if err := golden.Check("gradient of "+p.Name, p.Grad, want.params[i].Grad, 0); err != nil {
						t.Error(err)
					}
				}

				g, err := config.BuildScoring(c.Batch, c.Seq, arch.TokenLogProbs)
				if err != nil {
					t.Fatal(err)
				}
				vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Loss, g.LogProbs}, Weights: tr.weights}, dev, opt)
				if err != nil {
					t.Fatal(err)
				}
				defer vm.Close()
				scale := 1 / float32(b.Supervised())
				copy(vm.Input(g.Tokens).Ids(), b.Tokens)
				copy(vm.Input(g.Targets).Ids(), b.Targets)
				vm.Input(g.Scale).Float32s()[0] = scale
				if err := vm.RunAll(); err != nil {
					t.Fatal(err)
				}
				got, softmax := vm.Output(g.LogProbs).Float32s(), logSoftmax(c.Logits, config.VocabSize)
				var sum float64
				for n, target := range b.Targets {
					exact := 0.0
					if target >= 0 {
						exact = softmax[n*config.VocabSize+int(target)]
					}
					if math.Abs(float64(got[n])-exact) > tolerance || exact == 0 && math.Float32bits(got[n]) != 0 {
						t.Errorf("token %d has %v, want %v", n, got[n], exact)
					}
					sum += float64(got[n])
				}
				if scored := vm.Output(g.Loss).Float32s()[0]; math.Abs(float64(scored)+sum*float64(scale)) > 1e-5 {
					t.Errorf("the loss is %v, of the log-probabilities %v", scored, -sum*float64(scale))
				}
			})
		}
	}
}

// logSoftmax are the log-probabilities of rows of logits.
func logSoftmax(logits []float32, vocab int) []float64 {
	p := make([]float64, len(logits))
	for first := 0; first < len(logits); first += vocab {
		var sum float64
		for _, z := range logits[first : first+vocab] {
			sum += math.Exp(float64(z))
		}
		for i, z := range logits[first : first+vocab] {
			p[first+i] = float64(z) - math.Log(sum)
		}
	}
	return p
}

// A graph that cannot give log-probabilities of tokens says so.
func TestNoTokenLogProbs(t *testing.T) {
	_, config := goldenCase(t, "untied_gqa")
	_, withTeacher := config.BuildTraining(1, 4, arch.TokenLogProbs, arch.Distil(op.Distillation{Temperature: 1}, 8))
	_, withoutLoss := config.BuildHidden(1, 4, arch.TokenLogProbs)
	for want, err := range map[string]error{
		"arch: a loss with a teacher has no log-probabilities of tokens":  withTeacher,
		"arch: a graph without a loss has no log-probabilities of tokens": withoutLoss,
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
