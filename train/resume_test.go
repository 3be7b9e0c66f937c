package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/optim"
)

// A run that was interrupted and resumed has the records and the weights of the
// unbroken one, to the bit.
func TestResumeIsExact(t *testing.T) {
	tests := []struct {
		name   string
		stop   int64 // interrupted after this step
		change func(*RunConfig)
	}{
		{"between checkpoints", 6, func(*RunConfig) {}},
		{"at a checkpoint", 8, func(*RunConfig) {}},
		{"after the first step", 1, func(*RunConfig) {}},
		{"bf16", 7, func(c *RunConfig) { c.Train.Precision.Value = engine.PrecisionBF16 }},
		{"recomputed", 5, func(c *RunConfig) { c.Train.Recompute = Recompute(engine.RecomputeBlock) }},
		{"auto", 5, func(c *RunConfig) { c.Train.MicroBatch, c.Train.Precision = 0, Precision{Auto: true} }},
		{"bf16 moments", 6, func(c *RunConfig) { c.Optim.Moments = optim.MomentsBF16 }},
		{"sgd", 5, func(c *RunConfig) { c.Optim.Name, c.Optim.LR = optim.NameSGD, 0.05 }},
		{"document mask", 5, func(c *RunConfig) {
			c.Data.Train, c.Data.DocumentMask = documents(t), true
			c.Data.Packing = data.PackDocuments
		}},
		{"trained tokenizer", 9, func(c *RunConfig) { c.Data.Tokenizer, c.Model.VocabSize = "train", 300 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := tiny(t)
			test.change(&c)
			if c.Train.Precision.Value == engine.PrecisionBF16 && !c.Train.Precision.Auto {
				skipWithoutBF16(t)
			}
			whole, _ := train(t, c, Options{})

			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			out := filepath.Join(t.TempDir(), "run")
			_, err := Run(ctx, c, Options{PeakFLOPS: 1e11, Out: out, Workers: 2, afterStep: func(step int64) {
				if step == test.stop {
					cancel()
				}
			}})
			if !errors.Is(err, ErrInterrupted) {
				t.Fatalf("interrupted, the run gives %v", err)
			}
			latest, err := LatestCheckpoint(out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: out, Resume: latest}); err != nil {
				t.Fatal(err)
			}
			compareRuns(t, out, whole)
		})
	}
}

func compareRuns(t *testing.T, got, want string) {
	t.Helper()
	if a, b := records(t, got), records(t, want); !slices.Equal(a, b) {
		t.Errorf("records are\n%s\nwant\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	for _, name := range []string{"model.safetensors", "optimizer.safetensors"} {
		path := filepath.Join(CheckpointsDir, "step-00000012", name)
		if file(t, got, path) != file(t, want, path) {
			t.Errorf("%s differs", name)
		}
	}
	a, errA := os.Readlink(filepath.Join(got, CheckpointsDir, "best"))
	b, errB := os.Readlink(filepath.Join(want, CheckpointsDir, "best"))
	if a != b || errA != nil || errB != nil {
		t.Errorf("the best is %s (%v), want %s (%v)", a, errA, b, errB)
	}
}

// A process that was killed has records after its last checkpoint, the last of
// them cut short, and perhaps no score of that checkpoint.
func TestResumeAfterKill(t *testing.T) {
	c := tiny(t)
	whole, _ := train(t, c, Options{})
	out, _ := train(t, c, Options{})
	for _, step := range []string{"step-00000008", "step-00000012"} {
		if err := os.RemoveAll(filepath.Join(out, CheckpointsDir, step)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(out, CheckpointsDir, "best")); err != nil {
		t.Fatal(err)
	}
	metrics := filepath.Join(out, MetricsFile)
	lines := strings.SplitAfter(file(t, metrics), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, `"step":4,"heldout_loss"`) })
	if err := os.WriteFile(metrics, []byte(strings.Join(lines, "")+`{"step":13,"lo`), 0o644); err != nil {
		t.Fatal(err)
	}
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	train(t, c, Options{Out: out, Resume: latest})
	compareRuns(t, out, whole)
}

// What would make the resumed run another one is refused by name and values.
func TestResumeErrors(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 8
	out, _ := train(t, c, Options{})
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "note"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	changed := tiny(t)
	if err := os.WriteFile(changed.Data.Train[0].Path, []byte(strings.Repeat("another text\n", 200)), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*RunConfig, *Options)
		want   []string
	}{
		{"layers", func(c *RunConfig, _ *Options) { c.Model.Layers = 3 }, []string{"model.layers is 2 in ", " and 3 in the configuration"}},
		{"sharing", func(c *RunConfig, _ *Options) { c.Model.LayerSharing.Strategy = "reverse" }, []string{"model.layer_sharing.strategy is immediate in ", " and reverse in"}},
		{"batch", func(c *RunConfig, _ *Options) { c.Train.Batch = 6 }, []string{"train.batch is 4 in checkpoint ", " and 6 in the configuration", "\nhint: "}},
		{"seed", func(c *RunConfig, _ *Options) { c.Train.Seed = 6 }, []string{"train.seed is 5 in checkpoint "}},
		{"optimizer", func(c *RunConfig, _ *Options) { c.Optim.Name = "sgd" }, []string{"optim.name is adamw in checkpoint ", " and sgd in"}},
		{"moments", func(c *RunConfig, _ *Options) { c.Optim.Moments = "bf16" }, []string{"optim.moments is float32 in checkpoint ", " and bf16 in the configuration", "\nhint: "}},
		{"mask", func(c *RunConfig, _ *Options) { c.Data.DocumentMask = true }, []string{"data.document_mask is false in checkpoint ", " and true in"}},
		{"packing", func(c *RunConfig, _ *Options) { c.Data.Packing = data.PackDocuments }, []string{"data.packing is stream in checkpoint "}},
		{"text", func(c *RunConfig, _ *Options) { c.Data = changed.Data }, []string{"data.train has fingerprint ", "the text has changed"}},
		{"older", func(_ *RunConfig, o *Options) { o.Resume = filepath.Join(out, CheckpointsDir, "step-00000004") }, []string{"older than the run's latest, step-00000008", "\nhint: "}},
		{"another folder", func(_ *RunConfig, o *Options) { o.Out = other }, []string{"is not empty and is not that of checkpoint"}},
		{"no checkpoint", func(_ *RunConfig, o *Options) { o.Resume = other }, []string{"is no checkpoint of a run"}},
	}
	before := file(t, out, MetricsFile)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, o := c, Options{PeakFLOPS: 1e11, Out: out, Resume: latest}
			test.change(&c, &o)
			_, err := Run(context.Background(), c, o)
			checkError(t, err, test.want...)
		})
	}
	if file(t, out, MetricsFile) != before {
		t.Error("a refused run changed the metrics")
	}
	if _, err := LatestCheckpoint(other); err == nil || !strings.Contains(err.Error(), "nothing to resume") {
		t.Errorf("without checkpoints: %v", err)
	}
}

// A run can branch off an older checkpoint into a folder of its own.
func TestBranch(t *testing.T) {
	c := tiny(t)
	whole, _ := train(t, c, Options{})
	out, _ := train(t, c, Options{Resume: filepath.Join(whole, CheckpointsDir, "step-00000004")})
	if a, b := records(t, out), records(t, whole); !slices.Equal(a, b) {
		t.Errorf("records are\n%s\nwant\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// More steps than before: the run goes on.
func TestExtend(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 4
	out, _ := train(t, c, Options{})
	c.Train.Steps = 6
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, result := train(t, c, Options{Out: out, Resume: latest}); result.Step != 6 {
		t.Errorf("the run ended at step %d", result.Step)
	}
}
