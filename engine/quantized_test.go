package engine_test

import (
	"fmt"
	"maps"
	"math"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/quant"
)

// quantized are models of every method.
var quantized = map[string]arch.Quantize{
	"minmax w8a8":       {Weights: 8, Activations: 8},
	"minmax w4":         {Weights: 4},
	"minmax a8":         {Activations: 8},
	"lsq w4":            {Weights: 4, Method: quant.LSQ},
	"lsq w1a8":          {Weights: 1, Activations: 8, Method: quant.LSQ},
	"seq w2":            {Weights: 2, Method: quant.SEQ},
	"seq w1.58":         {Weights: quant.Ternary, Method: quant.SEQ},
	"sign w1":           {Weights: 1, Method: quant.Sign},
	"sign, activations": {Activations: 1, Method: quant.Sign},
	bothBinary:          {Weights: 1, Activations: 1, Method: quant.Sign},
}

// bothBinary has sums of numbers of one size, which are often 0: the sign depends on the
// order of the sum.
const bothBinary = "sign w1a1"

// withClips are a case's parameters and those that the rows of its matrices begin with.
func withClips(config arch.Config, params map[string][]float32) map[string][]float32 {
	params = maps.Clone(params)
	for _, p := range config.Parameters() {
		if p.Of != "" {
			params[p.Name] = make([]float32, p.Size())
			config.StartClip(params[p.Name], params[p.Of])
		}
	}
	return params
}

// TestQuantizedModels trains models of few bits on gorgonia's own machine and on the
// engine: same losses and gradients, with every way to recompute, for layers that run
// twice, whole and in micro-batches.
func TestQuantizedModels(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	for _, name := range []string{"untied_gqa", "reverse"} {
		for kind, q := range quantized {
			if kind == bothBinary {
				continue
			}
			c, config := goldenCase(t, name)
			config.Quantize = q
			whole := *c
			whole.Params = withClips(config, c.Params)
			for i, recompute := range []engine.Recompute{engine.RecomputeNone, engine.RecomputeAttention, engine.RecomputeBlock} {
				rows := []int{c.Batch, 1}[i%2]
				t.Run(fmt.Sprintf("%s/%s/recompute %v/%d rows", name, kind, recompute, rows), func(t *testing.T) {
					tr := newTrainer(t, dev, config, whole.Params, rows, c.Seq, engine.Options{Recompute: recompute, CheckNaN: true})
					checkAgainstTape(t, tr, newTape(t, config, &whole), c.Batches[:2])
				})
			}
		}
	}
}

// In bf16 a quantised model's loss is near that in float32, but for signs of activations,
// which are those of sums near 0.
func TestQuantizedInBF16(t *testing.T) {
	dev := cpu.New(cpu.Options{OneDNN: true})
	t.Cleanup(dev.Close)
	if !dev.BF16() {
		t.Skip("needs oneDNN and a processor with bf16 matmuls")
	}
	for kind, q := range quantized {
		c, config := goldenCase(t, "untied_gqa")
		config.Quantize = q
		params := withClips(config, c.Params)
		want := newTrainer(t, dev, config, params, c.Batch, c.Seq, engine.Options{}).gradients(t, c.Batches[0])
		tr := newTrainer(t, dev, config, params, c.Batch, c.Seq, engine.Options{Precision: engine.PrecisionBF16})
		near := 0.03 * want
		if q.Activations == 1 {
			near = 0.2 * want
		}
		if got := tr.gradients(t, c.Batches[0]); !(math.Abs(got-want) <= near) {
			t.Errorf("%s: the loss is %v, in float32 %v", kind, got, want)
		}
	}
}

// A model whose weights are rounded beforehand has the loss of one that rounds them.
func TestRounded(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	for kind, q := range quantized {
		c, config := goldenCase(t, "reverse")
		config.Quantize = q
		params := withClips(config, c.Params)
		want := newTrainer(t, dev, config, params, c.Batch, c.Seq, engine.Options{}).gradients(t, c.Batches[0])
		rounded, load, err := config.Rounded(func(name string, dst []float32, _ []int) error {
			copy(dst, params[name])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		used := map[string][]float32{}
		for _, p := range rounded.Parameters() {
			if p.Of != "" {
				t.Errorf("%s: %s is still there", kind, p.Name)
			}
			used[p.Name] = make([]float32, p.Size())
			if err := load(p.Name, used[p.Name], p.Shape); err != nil {
				t.Fatal(err)
			}
		}
		got := newTrainer(t, dev, rounded, used, c.Batch, c.Seq, engine.Options{}).gradients(t, c.Batches[0])
		if got != want {
			t.Errorf("%s: the loss is %v with rounded weights, want %v", kind, got, want)
		}
		if few := distinct(used[rounded.Parameters()[2].Name], rounded.Parameters()[2].Shape[1]); q.Weights.Rounds() && few > 1<<int(math.Ceil(float64(q.Weights))) {
			t.Errorf("%s: a row has %d values", kind, few)
		}
	}
}

// distinct is the number of values in the first row.
func distinct(x []float32, columns int) int {
	seen := map[float32]bool{}
	for _, v := range x[:columns] {
		seen[v] = true
	}
	return len(seen)
}
