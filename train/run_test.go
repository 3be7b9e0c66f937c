package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mobilellm/checkpoint"
	"mobilellm/configs"
)

// A run leaves records, checkpoints and a configuration that gives the same run.
func TestRun(t *testing.T) {
	c := tiny(t)
	c.Checkpoint.Keep = 2
	out, result := train(t, c, Options{Versions: map[string]string{"go": "1"}})
	if got := len(records(t, out)); got != 12+3 {
		t.Errorf("%d records, want 12 of steps and 3 of scores", got)
	}
	first := math.Log(257) // of a model that knows nothing
	if !(result.Loss < first-0.8) || result.Heldout == nil || !(float64(result.Heldout.HeldoutLoss) < first-0.8) {
		t.Errorf("the loss is %g, held out %+v; it began near %g", result.Loss, result.Heldout, first)
	}
	// One id a byte: bits per byte is the loss in bits, but for the separators.
	if h := result.Heldout; math.Abs(float64(h.BitsPerByte/(h.HeldoutLoss/math.Ln2))-1) > 0.01 || math.Abs(float64(h.Perplexity)-math.Exp(float64(h.HeldoutLoss))) > 1e-9 {
		t.Errorf("%+v is inconsistent", h)
	}
	list, err := checkpoint.List(filepath.Join(out, CheckpointsDir))
	if err != nil || len(list) != 2 || list[1].Path != result.Checkpoint {
		t.Errorf("checkpoints %v (%v), want two up to %s", list, err, result.Checkpoint)
	}
	again := DefaultRun()
	if _, err := configs.Load(&again, configs.Source{Name: filepath.Join(out, RunFile)}); err != nil {
		t.Fatal(err)
	}
	if again.Run == nil || again.Run.MicroBatch != 2 || again.Run.Versions["go"] != "1" || again.Run.DataFingerprint == "" {
		t.Errorf("run.yaml records %+v", again.Run)
	}
	copied, _ := train(t, again, Options{})
	if a, b := records(t, copied), records(t, out); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Error("run.yaml gives another run")
	}
	entries, err := os.ReadDir(out)
	if err != nil || len(entries) != 5 {
		t.Errorf("the folder holds %v (%v), want .lock, checkpoints, metrics.jsonl, result.json and run.yaml", entries, err)
	}
}

// Micro-batches change the losses by rounding only.
func TestMicroBatches(t *testing.T) {
	losses := func(m MicroBatch) (list []float64) {
		c := tiny(t)
		c.Train.MicroBatch = m
		_, result := train(t, c, Options{})
		return []float64{result.Loss, float64(result.Heldout.HeldoutLoss)}
	}
	want := losses(4)
	for _, m := range []MicroBatch{1, 2} {
		for i, loss := range losses(m) {
			if math.Abs(loss-want[i]) > 1e-4 {
				t.Errorf("micro-batches of %d: loss %g, of 4: %g", m, loss, want[i])
			}
		}
	}
}

func TestOverfit(t *testing.T) {
	c := tiny(t)
	c.Train.Steps, c.Train.Batch, c.Train.MicroBatch = 150, 1, 1
	c.Optim.LR = 1e-2
	c.Checkpoint.Every, c.Eval.Every = 0, 0
	_, result := train(t, c, Options{Overfit: true})
	if result.Loss > 0.3 {
		t.Errorf("the loss on one batch of one sequence is %g after 150 steps", result.Loss)
	}
}

// The update that would have spoilt the weights is not made, and what was saved
// before stays.
func TestNonFinite(t *testing.T) {
	c := tiny(t)
	c.Optim.LR, c.Optim.WarmupSteps, c.Checkpoint.Every = 1e30, 0, 1
	out := filepath.Join(t.TempDir(), "run")
	_, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: out, Workers: 2})
	var bad *NonFiniteError
	if !errors.As(err, &bad) {
		t.Fatalf("the error is %v", err)
	}
	if bad.Step != 2 || bad.MicroBatch != 1 || bad.Of != 2 || bad.Cause == nil {
		t.Errorf("it says %+v", bad)
	}
	checkError(t, err, "step 2: the ", "micro-batch 1 of 2, first in ", "\nhint: ")
	if got := records(t, out); len(got) != 1 {
		t.Errorf("records are %v, want that of step 1", got)
	}
	latest, err := checkpoint.OpenNewest(filepath.Join(out, CheckpointsDir), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer latest.Close()
	if latest.State.Step != 1 {
		t.Errorf("the latest checkpoint is of step %d", latest.State.Step)
	}
}

// A step allocates next to nothing once the run is under way.
func TestAllocation(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 60
	c.Checkpoint.Every, c.Eval.Every = 0, 0
	var before, after runtime.MemStats
	train(t, c, Options{afterStep: func(step int64) {
		switch step {
		case 10:
			runtime.ReadMemStats(&before)
		case 50:
			runtime.ReadMemStats(&after)
		}
	}})
	if n := (after.TotalAlloc - before.TotalAlloc) / 40; n > 64<<10 {
		t.Errorf("a step allocates %d bytes", n)
	}
}

func TestInit(t *testing.T) {
	c := tiny(t)
	out, _ := train(t, c, Options{})
	first := func(o Options) float64 {
		c := c
		c.Train.Steps = 1
		_, result := train(t, c, o)
		return result.Loss
	}
	from := filepath.Join(out, CheckpointsDir, "best")
	if drawn, loaded := first(Options{}), first(Options{Init: from}); loaded > drawn-0.8 {
		t.Errorf("the first loss is %g with drawn weights and %g with trained ones", drawn, loaded)
	}
	c.Model.Dim = 64
	_, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: filepath.Join(t.TempDir(), "run"), Init: from})
	checkError(t, err, "init: model.dim is 32 in ", " and 64 in the configuration")
}

// Bad input is refused before anything is written.
func TestRunErrors(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "keep"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*RunConfig, *Options)
		want   []string
	}{
		{"folder", func(_ *RunConfig, o *Options) { o.Out = full }, []string{"run folder " + full + " is not empty", "\nhint: "}},
		{"vocabulary", func(c *RunConfig, _ *Options) { c.Model.VocabSize = 200 }, []string{"data.tokenizer (bytes) has 257 ids, more than model.vocab_size (200)", "hint: --set model.vocab_size=257"}},
		{"init", func(_ *RunConfig, o *Options) { o.Init = full }, []string{"init: ", "holds no model: neither config.json nor checkpoints"}},
		{"device", func(c *RunConfig, _ *Options) { c.Device = "tpu" }, []string{"device (tpu) must be auto, cpu or cuda"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, o := tiny(t), Options{PeakFLOPS: 1e11, Out: filepath.Join(t.TempDir(), "run")}
			test.change(&c, &o)
			_, err := Run(context.Background(), c, o)
			checkError(t, err, test.want...)
			if o.Out != full {
				if _, err := os.Stat(o.Out); err == nil {
					t.Error("a folder was made")
				}
			}
		})
	}
}

// Before the first step there is nothing to save.
func TestInterruptedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	out := filepath.Join(t.TempDir(), "run")
	_, err := Run(ctx, tiny(t), Options{PeakFLOPS: 1e11, Out: out})
	if !errors.Is(err, ErrInterrupted) {
		t.Errorf("the error is %v", err)
	}
}

func TestProfile(t *testing.T) {
	_, result := train(t, tiny(t), Options{Profile: true})
	kinds := map[string]bool{}
	for _, row := range result.Profile.Rows() {
		kinds[row.Kind] = row.Time > 0
	}
	if !kinds["optimizer"] || !kinds["gradient norm"] || len(kinds) < 8 {
		t.Errorf("the profile has %v", kinds)
	}
}
