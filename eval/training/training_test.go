package training

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/infer"
	"mobilellm/train"
)

// dataDir is a folder with the questions that package tasks has for its own tests.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, task := range []string{"arc_easy", "arc_challenge"} {
		raw, err := os.ReadFile(filepath.Join("../tasks/testdata/records", task+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, task), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, task, "test.jsonl"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tiny(t *testing.T) train.RunConfig {
	t.Helper()
	c := train.DefaultRun()
	c.Model = arch.Config{
		VocabSize: 257, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: 512, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}
	path := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("the deep and thin model reads a question.\n", 400)), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Data.Train, c.Data.Tokenizer, c.Data.Seq = data.Sources{{Path: path, Weight: 1}}, data.TokenizerBytes, 32
	c.Optim.WarmupSteps = 2
	c.Train = train.Loop{Steps: 4, Batch: 2, MicroBatch: 2, Precision: train.Precision{Value: engine.PrecisionF32}, Seed: 5}
	c.Eval.DataDir, c.Eval.TaskEvery, c.Eval.TaskItems = dataDir(t), 2, 6
	c.Device = "cpu"
	return c
}

// What a run says of its last weights is what the checkpoint of them says.
func TestScoresAreTheCheckpoints(t *testing.T) {
	c := tiny(t)
	c.Eval.Tasks = []string{"arc_easy", "arc_challenge"}
	c.Checkpoint.Best = "arc_easy"
	out := filepath.Join(t.TempDir(), "run")
	result, err := train.Run(context.Background(), c, train.Options{Out: out, Workers: 2, PeakFLOPS: 1e11, Tasks: Open})
	if err != nil {
		t.Fatal(err)
	}
	summary, err := train.ReadSummary(out)
	if err != nil || len(summary.Tasks) != 2 || summary.Tasks[0].N != 6 {
		t.Fatalf("result.json: %+v, %v", summary, err)
	}
	dev, err := device.Open("cpu", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := infer.Load(result.Checkpoint, dev, eval.LoadOptions(infer.LoadOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	list, err := tasks.Get("arc_easy,arc_challenge")
	if err != nil {
		t.Fatal(err)
	}
	want, err := eval.Evaluate(context.Background(), m, list, eval.Options{Protocol: eval.LMEval, DataDir: c.Eval.DataDir, Limit: 6, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range want {
		if got := summary.Tasks[i]; got.Task != r.Task || float64(got.Value) != r.Score().Value || float64(got.StdErr) != r.Score().StdErr {
			t.Errorf("the run says %+v, its checkpoint %+v", got, r)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := dataDir(t)
	for want, e := range map[string]train.Eval{
		`no task "arc"`:           {Tasks: []string{"arc"}, Protocol: "lm-eval", DataDir: dir},
		`eval.protocol ("harness`: {Tasks: []string{"arc_easy"}, Protocol: "harness", DataDir: dir},
		"are not in":              {Tasks: []string{"piqa"}, Protocol: "lm-eval", DataDir: dir},
		"is in both":              {Tasks: []string{"arc_easy", "arc_challenge,arc_easy"}, Protocol: "lm-eval", DataDir: dir},
	} {
		if _, err := Open(context.Background(), e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: the error is %v, want %q", e.Tasks, err, want)
		}
	}
}

// A group's mean stands behind its tasks, under the group's name.
func TestGroup(t *testing.T) {
	c := tiny(t)
	c.Eval.Tasks, c.Checkpoint.Best = []string{"arc_easy,arc_challenge"}, "arc_easy,arc_challenge"
	out := filepath.Join(t.TempDir(), "run")
	if _, err := train.Run(context.Background(), c, train.Options{Out: out, Workers: 2, PeakFLOPS: 1e11, Tasks: Open}); err != nil {
		t.Fatal(err)
	}
	summary, err := train.ReadSummary(out)
	if err != nil || len(summary.Tasks) != 3 {
		t.Fatalf("result.json: %+v, %v", summary, err)
	}
	s := summary.Tasks
	if mean := (s[0].Value + s[1].Value) / 2; s[2].Task != c.Eval.Tasks[0] || s[2].Value != mean || s[2].N != 12 {
		t.Errorf("the group's score is %+v, of %+v", s[2], s[:2])
	}
	if !slices.ContainsFunc(c.Eval.Tasks, func(name string) bool { return name == s[2].Task }) {
		t.Errorf("%q is no group", s[2].Task)
	}
}

// The model writes at each scoring, the same for the same weights, and the run's losses are
// those without.
func TestSamples(t *testing.T) {
	losses := map[bool][]float64{}
	var last train.SampleRecord
	for _, sampling := range []bool{false, true} {
		c := tiny(t)
		c.Eval.Every = 2
		if sampling {
			c.Eval.Samples = []string{"the deep", ""}
		}
		out := filepath.Join(t.TempDir(), "run")
		if _, err := train.Run(context.Background(), c, train.Options{Out: out, Workers: 2, PeakFLOPS: 1e11, Sampler: Sample}); err != nil {
			t.Fatal(err)
		}
		m, err := train.ReadMetrics(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range m.Steps {
			losses[sampling] = append(losses[sampling], s.Loss)
		}
		if !sampling {
			continue
		}
		if len(m.Samples) != 2 || len(m.Samples[1].Samples) != 2 {
			t.Fatalf("samples: %+v", m.Samples)
		}
		last = m.Samples[1]
	}
	if !slices.Equal(losses[false], losses[true]) {
		t.Errorf("losses %v with samples, %v without", losses[true], losses[false])
	}
	if s := last.Samples[0]; last.Step != 4 || s.Prompt != "the deep" || len(s.Text) == 0 {
		t.Errorf("the last samples are %+v", last)
	}
}
