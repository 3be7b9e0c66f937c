package engine_test

import (
	"fmt"
	"math"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/golden"
)

// TestDocumentMask packs two documents in a sequence: with the mask its loss and
// gradients are the mean of the documents' own, and without it they are not.
func TestDocumentMask(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	c, config := goldenCase(t, "untied_gqa")
	tokens := c.Batches[0].Tokens[:c.Seq]
	targets := c.Batches[1].Tokens[:c.Seq] // any will do, as long as all count
	for _, precision := range []struct {
		engine.Precision
		tolerance float64
	}{{engine.PrecisionF32, 1e-5}, {engine.PrecisionBF16, 2e-2}} {
		if precision.Precision == engine.PrecisionBF16 && !dev.BF16() {
			continue
		}
		for _, recompute := range []engine.Recompute{engine.RecomputeNone, engine.RecomputeAttention, engine.RecomputeBlock} {
			opt := engine.Options{Precision: precision.Precision, Recompute: recompute, CheckNaN: true}
			for _, cut := range []int{1, c.Seq / 2, c.Seq - 3} {
				t.Run(fmt.Sprintf("%v/recompute %v/cut at %d", precision.Precision, recompute, cut), func(t *testing.T) {
					var want float64
					grads := map[string][]float32{}
					for _, part := range [][2]int{{0, cut}, {cut, c.Seq}} {
						from, to := part[0], part[1]
						share := float64(to-from) / float64(c.Seq)
						tr := newTrainer(t, dev, config, c.Params, 1, to-from, opt)
						want += share * tr.gradients(t, golden.Batch{Tokens: tokens[from:to], Targets: targets[from:to]})
						for _, p := range tr.params {
							if grads[p.Name] == nil {
								grads[p.Name] = make([]float32, len(p.Grad))
							}
							for i, g := range p.Grad {
								grads[p.Name][i] += float32(share) * g
							}
						}
					}
					packed := golden.Batch{Tokens: tokens, Targets: targets}
					tr := newTrainer(t, dev, config, c.Params, 1, c.Seq, opt, arch.DocumentMask)
					starts := tr.vm.Input(tr.graph.Starts).Ids()
					for i := cut; i < c.Seq; i++ {
						starts[i] = int32(cut)
					}
					if got := tr.gradients(t, packed); math.Abs(got-want) > precision.tolerance*want {
						t.Errorf("loss is %v, want %v", got, want)
					}
					for _, p := range tr.params {
						if err := golden.Check("gradient of "+p.Name, p.Grad, grads[p.Name], 5*precision.tolerance); err != nil {
							t.Error(err)
						}
					}
					clear(starts) // one document again
					masked := tr.gradients(t, packed)
					if plain := newTrainer(t, dev, config, c.Params, 1, c.Seq, opt).gradients(t, packed); masked != plain {
						t.Errorf("the loss of one document is %v, without the mask %v", masked, plain)
					} else if math.Abs(plain-want) < 1e-4 {
						t.Errorf("the loss is %v with and without the mask", plain)
					}
				})
			}
		}
	}
}
