package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/internal/quant"
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
		{"muon", 6, func(c *RunConfig) {
			c.Optim.Name, c.Model.LayerSharing.Strategy = optim.NameMuon, arch.Immediate
		}},
		{"norms of queries and keys", 6, func(c *RunConfig) { c.Model.QKNorm = true }},
		{"z-loss", 6, func(c *RunConfig) { c.Train.ZLoss = 1e-2 }},
		{"document mask", 5, func(c *RunConfig) {
			c.Data.Train, c.Data.DocumentMask = documents(t), true
			c.Data.Packing = data.PackDocuments
		}},
		{"conversations", 5, func(c *RunConfig) { *c = tuning(t) }},
		{"passes over conversations and text", 5, func(c *RunConfig) {
			*c = tuning(t)
			c.Data.Train = append(c.Data.Train, data.Source{Path: text(t, 30), Weight: 1})
			c.Train.Epochs = 3
		}},
		{"learned steps", 6, func(c *RunConfig) {
			c.Model.Quantize = arch.Quantize{Weights: 4, Activations: 8, Method: quant.LSQ}
		}},
		{"spikes", 8, func(c *RunConfig) {
			c.Train.SpikeGuard = SpikeGuard{Action: SpikeSkip, Of: spikeEither, ZScore: 0.5, Window: 3, Most: 10}
		}},
		{"several epochs", 7, func(c *RunConfig) { c.Data.Train = data.Sources{{Path: text(t, 20), Weight: 1}} }},
		{"epochs of a mixture", 6, func(c *RunConfig) {
			c.Data.Train, c.Data.Packing = data.Sources{{Path: text(t, 20), Weight: 1}, {Path: documents(t)[0].Path, Weight: 3}}, data.PackDocuments
		}},
		{"trained tokenizer", 9, func(c *RunConfig) { c.Data.Tokenizer, c.Model.VocabSize = "train", 300 }},
	}
	// The others have no goroutines that these have not.
	short := []string{"between checkpoints", "document mask", "spikes", "conversations", "passes over conversations and text"}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() && !slices.Contains(short, test.name) {
				t.Skip("-short leaves out: what is numbers alone")
			}
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
		{"text", func(c *RunConfig, _ *Options) { c.Data = changed.Data }, []string{
			"data.train has fingerprint ", "the text has changed\ndata.train is [" + c.Data.Train[0].Path + "] in the checkpoint and [" + changed.Data.Train[0].Path + "] in the configuration\nhint: ",
		}},
		{"separator", func(c *RunConfig, _ *Options) { c.Data.DocumentSeparator = "---" }, []string{`data.document_separator is "" in checkpoint `, " and --- in"}},
		{"held-out tokens", func(c *RunConfig, _ *Options) { c.Data.HeldoutTokens = 100 }, []string{"data.heldout_tokens is 262144 in checkpoint ", " and 100 in"}},
		{"held-out share", func(c *RunConfig, _ *Options) { c.Data.HeldoutFraction = 0.1 }, []string{"data.heldout_fraction is 0.05 in checkpoint ", " and 0.1 in"}},
		{"held-out text", func(c *RunConfig, _ *Options) { c.Data.Heldout = data.Texts(changed.Data.Train[0].Path) }, []string{"data.heldout is [] in checkpoint ", " and [" + changed.Data.Train[0].Path + "] in"}},
		{"start", func(c *RunConfig, _ *Options) { c.Data.DocumentStart = data.StartEOS }, []string{"data.document_start is auto in checkpoint ", " and eos in"}},
		{"special", func(c *RunConfig, _ *Options) { c.Data.ParseSpecial = true }, []string{"data.parse_special is false in checkpoint ", " and true in"}},
		{"weight", func(c *RunConfig, _ *Options) {
			c.Data.Train = data.Sources{{Path: c.Data.Train[0].Path, Weight: 2}}
		}, []string{"data.train (weights) is [1] in checkpoint ", " and [2] in"}},
		{"stages", func(c *RunConfig, _ *Options) {
			c.Data.Stages = data.Stages{{AfterTokens: 100, Weights: []float64{1}}}
		}, []string{"data.stages is [] in checkpoint ", " and [[1] after 100 tokens] in"}},
		{"learnt tokenizer", func(c *RunConfig, _ *Options) { c.Data.Tokenizer = data.TokenizerTrain }, []string{"data.tokenizer is bytes in checkpoint ", " and train in"}},
		{"tokenizer", func(c *RunConfig, _ *Options) { c.Data.Tokenizer = "../tokenizer/bpe/testdata/bpe" }, []string{"data.tokenizer is bytes (", " and ../tokenizer/bpe/testdata/bpe ("}},
		{"no tokenizer", func(c *RunConfig, _ *Options) { c.Data.Tokenizer = other }, []string{"data.tokenizer: "}},
		{"several", func(c *RunConfig, _ *Options) { c.Data.Seq, c.Train.Seed, c.Optim.Name = 16, 7, "sgd" }, []string{
			"data.seq is 32 in checkpoint ", " and 16 in the configuration\n", "train.seed is 5 in ", "optim.name is adamw in ", ": a resumed run cannot change them\nhint: ",
		}},
		{"several of the model", func(c *RunConfig, _ *Options) { c.Model.Layers, c.Model.RoPEBase = 3, 500 }, []string{"model.layers is 2 in ", "model.rope_base is 10000 in "}},
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

// What makes no other run may change: files that have moved, the tokenizer's too, and
// what is said of each change of the rest.
func TestResumeElsewhere(t *testing.T) {
	c := tiny(t)
	held := filepath.Join(t.TempDir(), "held.txt")
	if err := os.WriteFile(held, []byte(strings.Repeat("held out of all training\n", 30)), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Data.Heldout, c.Train.Steps = data.Texts(held), 8
	out, _ := train(t, c, Options{})
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	moved := t.TempDir()
	for name, from := range map[string]string{"a.txt": c.Data.Train[0].Path, "b.txt": held} {
		if err := os.WriteFile(filepath.Join(moved, name), []byte(file(t, from)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.Data.Train, c.Data.Heldout = data.Sources{{Path: filepath.Join(moved, "a.txt"), Weight: 1}}, data.Texts(filepath.Join(moved, "b.txt"))
	c.Data.HeldoutFraction, c.Data.Tokenizer = 0.2, latest // of no effect; the same tokenizer
	c.Train.Steps, c.Optim.LR, c.Train.MicroBatch = 9, 0.001, 4
	var said strings.Builder
	train(t, c, Options{Out: out, Resume: latest, Progress: NewProgress(&said, false)})
	for _, want := range []string{"train.steps changes from 8 to 9", "optim.lr changes from 0.003 to 0.001", "train.micro_batch changes from 2 to 4"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not said in\n%s", want, said.String())
		}
	}

	if err := os.WriteFile(filepath.Join(moved, "b.txt"), []byte(strings.Repeat("other text\n", 30)), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Train.Steps = 10
	if latest, err = LatestCheckpoint(out); err != nil {
		t.Fatal(err)
	}
	o := Options{PeakFLOPS: 1e11, Out: out, Resume: latest}
	_, err = Run(context.Background(), c, o)
	checkError(t, err, "the held-out text has fingerprint ", " in checkpoint ", " now: the text has changed", "\nhint: ")

	// A checkpoint of an earlier version does not say.
	path := filepath.Join(latest, checkpoint.StateFile)
	state := regexp.MustCompile(`,\s*"heldout_fingerprint": "[0-9a-f]+"|\s*"checksum": "[0-9a-f]+",?`).ReplaceAllString(file(t, path), "")
	if err := os.WriteFile(path, []byte(state), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), c, o); err != nil {
		t.Error(err)
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
