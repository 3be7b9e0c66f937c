package anatomy

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/internal/quant"
	"mobilellm/optim"
	"mobilellm/train"
)

// trained is the folder of a small run that keeps its checkpoints.
func trained(t *testing.T, name string, change func(*train.RunConfig)) string {
	t.Helper()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.txt")
	var words strings.Builder
	rng := rand.New(rand.NewPCG(1, 1))
	for range 400 {
		fmt.Fprintf(&words, "%d and %d are many.\n\n", rng.IntN(90), rng.IntN(90))
	}
	if err := os.WriteFile(text, []byte(words.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	c := train.DefaultRun()
	c.Model = arch.Config{
		VocabSize: 257, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: 32, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.1,
	}
	c.Data.Train, c.Data.DocumentSeparator = data.Sources{{Path: text, Weight: 1}}, "\n\n"
	c.Data.Tokenizer, c.Data.Seq = data.TokenizerBytes, 32
	c.Optim.LR, c.Optim.WarmupSteps = 3e-3, 2
	c.Train = train.Loop{Steps: 12, Batch: 4, MicroBatch: 4, Precision: train.Precision{Value: engine.PrecisionF32}, Seed: 5}
	c.Checkpoint = train.Saving{Every: 4}
	change(&c)
	out := filepath.Join(dir, name)
	if _, err := train.Run(context.Background(), c, train.Options{Out: out, Workers: 1, PeakFLOPS: 1e11}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOf(t *testing.T) {
	binary := trained(t, "binary", func(c *train.RunConfig) {
		c.Model.Quantize = arch.Quantize{Weights: 1, Activations: 1, Method: quant.Sign}
	})
	sgd := trained(t, "sgd", func(c *train.RunConfig) { c.Optim.Name, c.Optim.LR = optim.NameSGD, 0.1 })
	var runs []*Run
	for _, path := range []string{binary, sgd} {
		r, err := Of(context.Background(), path, Options{Rows: 2, Grid: 3, Seed: 1, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
		if len(r.Snapshots) != 3 || len(r.Changes) != 2 || r.Snapshots[2].Step != 12 || r.Changes[1].From != 8 {
			t.Fatalf("%+v", r)
		}
		for _, s := range r.Snapshots {
			var sum float64
			for _, h := range s.Histogram {
				sum += h
			}
			if math.Abs(sum-1) > 1e-9 || s.Saturated < 0.01 || s.Saturated > 0.9 {
				t.Errorf("%s, step %d: the histogram sums to %g, %g of the activations are saturated", r.Name, s.Step, sum, s.Saturated)
			}
		}
		for _, c := range r.Changes {
			var sum float64
			for _, m := range c.Moved {
				sum += m / parts
			}
			if math.Abs(sum-1) > 0.05 || c.Flipped <= 0 || c.Flipped > 0.5 {
				t.Errorf("%s: %+v", r.Name, c)
			}
		}
		// The middle of the landscape is the loss at the weights.
		if got, want := r.Landscape[1][1], r.Snapshots[2].Loss; math.Abs(got-want) > 1e-5*want {
			t.Errorf("%s: the loss in the middle is %g, that of the checkpoint %g", r.Name, got, want)
		}
	}
	if runs[0].Quantize != "w1a1, sign" || runs[1].Quantize != "none" || runs[1].Optimizer != "sgd, rate 0.1" {
		t.Errorf("%s, %s, %s", runs[0].Quantize, runs[1].Quantize, runs[1].Optimizer)
	}
	var names []string
	for _, p := range Pictures(runs) {
		names = append(names, p.Name)
		if !bytes.Contains(p.File(p.Title), []byte("<svg")) {
			t.Errorf("%s is no picture", p.Name)
		}
	}
	if want := []string{"weights-binary", "weights-sgd", "saturated", "vanished", "revived", "flipped", "moved", "landscape-binary", "landscape-sgd"}; !slices.Equal(names, want) {
		t.Errorf("pictures %q, want %q", names, want)
	}
}

func TestErrors(t *testing.T) {
	if _, err := Of(context.Background(), t.TempDir(), Options{Grid: 2}); err == nil || !strings.Contains(err.Error(), "a grid of 2") {
		t.Error(err)
	}
	if _, err := Of(context.Background(), t.TempDir(), Options{}); err == nil {
		t.Error("an empty folder is a run")
	}
}

// A direction is as long as the weights, row by row.
func TestAlike(t *testing.T) {
	w := []float32{3, 4, 0, 0, 1, 0}
	d := alike(w, 2, rand.New(rand.NewPCG(1, 1)))
	for row, want := range []float64{5, 0, 1} {
		if got := math.Hypot(float64(d[2*row]), float64(d[2*row+1])); math.Abs(got-want) > 1e-5 {
			t.Errorf("row %d is %g long, want %g", row, got, want)
		}
	}
}
