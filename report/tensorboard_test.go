package report

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/report/tensorboard"
	"mobilellm/train"
)

// events reads the events of a folder's files, a list for each.
func events(t *testing.T, dir string) (files [][]tensorboard.Event) {
	t.Helper()
	list, err := tensorboard.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		one, err := tensorboard.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, one)
	}
	return files
}

// scalars are the values of a tag by step, what a later session made again in its place.
func scalars(files [][]tensorboard.Event, tag string) map[int64]float32 {
	values := map[int64]float32{}
	for _, file := range files {
		for _, e := range file {
			for step := range values {
				if e.Start && step >= e.Step {
					delete(values, step)
				}
			}
			for _, v := range e.Values {
				if v.Tag == tag {
					values[e.Step] = v.Scalar
				}
			}
		}
	}
	return values
}

func tiny(t *testing.T) train.RunConfig {
	t.Helper()
	c := train.DefaultRun()
	c.Model = arch.Config{
		VocabSize: 257, Layers: 1, Dim: 16, Heads: 2, KVHeads: 1, FFN: arch.SwiGLU, FFNDim: 32, Context: 16, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}
	path := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("the deep and thin model is watched.\n", 200)), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Data.Train, c.Data.Tokenizer, c.Data.Seq = data.Sources{{Path: path, Weight: 1}}, data.TokenizerBytes, 16
	c.Optim.WarmupSteps = 2
	c.Train = train.Loop{Steps: 6, Batch: 2, MicroBatch: 2, Precision: train.Precision{Value: engine.PrecisionF32}, Seed: 5}
	c.Eval.Every, c.Checkpoint.Every, c.Device = 2, 4, "cpu"
	return c
}

// A run's event files have what metrics.jsonl has, while it runs and after it is resumed;
// so has the one that is written afterwards, and that of a branch.
func TestRunsEvents(t *testing.T) {
	c, out := tiny(t), filepath.Join(t.TempDir(), "run")
	o := train.Options{Out: out, Workers: 1, PeakFLOPS: 1e11, Sink: Sink}
	if _, err := train.Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	checkpoint := filepath.Join(out, train.CheckpointsDir, "step-00000004")
	if err := os.RemoveAll(filepath.Join(out, train.CheckpointsDir, "step-00000006")); err != nil {
		t.Fatal(err)
	}
	o.Resume = checkpoint
	if _, err := train.Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	files := events(t, out)
	if len(files) != 2 || files[0][1].Start || !files[1][1].Start || files[1][1].Step != 5 {
		t.Fatalf("%d files", len(files))
	}
	r, err := OpenRun(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Resumes) != 1 || r.Resumes[0].Step != 4 || r.Resumes[0].Again != 2 {
		t.Errorf("resumed: %+v", r.Resumes)
	}
	branch, after := filepath.Join(t.TempDir(), "branch"), filepath.Join(t.TempDir(), "after")
	o.Out, o.Resume = branch, checkpoint
	if _, err := train.Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	if written, err := WriteTensorBoard(r, after); err != nil || !written {
		t.Fatal(written, err)
	}
	if written, err := WriteTensorBoard(r, after); err != nil || written {
		t.Errorf("a second file is written: %t, %v", written, err)
	}
	for name, files := range map[string][][]tensorboard.Event{"the run": files, "its branch": events(t, branch), "after": events(t, after)} {
		losses, heldout := scalars(files, tagLoss), scalars(files, tagHeldout)
		if len(losses) != 6 || len(heldout) != 3 {
			t.Errorf("%s: losses %v, held out %v", name, losses, heldout)
		}
		for _, s := range r.Steps {
			if losses[s.Step] != float32(s.Loss) {
				t.Errorf("%s: step %d has the loss %v, metrics.jsonl %v", name, s.Step, losses[s.Step], s.Loss)
			}
		}
		for _, h := range r.Heldout {
			if heldout[h.Step] != float32(h.HeldoutLoss) {
				t.Errorf("%s: step %d has the held-out loss %v, metrics.jsonl %v", name, h.Step, heldout[h.Step], h.HeldoutLoss)
			}
		}
		last := files[len(files)-1]
		if end := last[len(last)-1].Values; len(end) != 1 || end[0].Tag != "_hparams_/session_end_info" {
			t.Errorf("%s ends with %+v", name, end)
		}
	}
	c.Metrics.TensorBoard = false
	o.Out, o.Resume = filepath.Join(t.TempDir(), "without"), ""
	if _, err := train.Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	if files := events(t, o.Out); len(files) != 0 {
		t.Errorf("metrics.tensorboard: false writes %d files", len(files))
	}
}

// What a run of train does not write now is shown: every kind of record.
func TestEventsOfRecords(t *testing.T) {
	dir := runFolder(t, filepath.Join(t.TempDir(), "run"), 3, nil)
	r, err := OpenRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteTensorBoard(r, dir); err != nil {
		t.Fatal(err)
	}
	files := events(t, dir)
	for tag, n := range map[string]int{"train/lr": 400, "train/grad_norm": 400, "speed/mfu": 400, "speed/tokens_per_second": 400, "speed/memory_bytes": 400, "tasks/arc_easy": 4, "samples/1": 4, "heldout/perplexity": 4, "layers_update_ratio/0": 4, "layers_attention_lse/1": 4} {
		if got := scalars(files, tag); len(got) != n {
			t.Errorf("%s has %d steps, want %d", tag, len(got), n)
		}
	}
	var texts []string
	times := 0.0
	for _, e := range files[0] {
		for _, v := range e.Values {
			if v.Text != "" {
				texts = append(texts, v.Text)
			}
		}
		if len(e.Values) > 0 && e.Step > 0 {
			if e.Time < times {
				t.Errorf("step %d was at %f, what is before it at %f", e.Step, e.Time, times)
			}
			times = e.Time
		}
	}
	if !slices.Contains(texts, "    Once upon a time <b>there</b> was\n    a model.") {
		t.Errorf("texts %q", texts)
	}
}
