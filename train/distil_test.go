package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/device"
)

// tinyTeacher trains a model of another shape on c's text and returns its folder.
func tinyTeacher(t *testing.T, c RunConfig, change func(*RunConfig)) string {
	t.Helper()
	c.Model.Dim, c.Model.Heads, c.Model.KVHeads, c.Model.FFNDim, c.Model.Layers = 48, 6, 6, 96, 2
	c.Model.ShareEmbedding, c.Model.LayerSharing = false, arch.LayerSharing{Strategy: arch.NoSharing}
	c.Distil, c.Train.Steps = DefaultRun().Distil, 6
	if change != nil {
		change(&c)
	}
	_, result := train(t, c, Options{})
	return result.Checkpoint
}

// steps are a run's training records.
func steps(t *testing.T, out string) []StepRecord {
	t.Helper()
	var list []StepRecord
	for line := range strings.Lines(file(t, out, MetricsFile)) {
		var r StepRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.LR > 0 {
			list = append(list, r)
		}
	}
	return list
}

// A run with a teacher has a loss of its own beside the text's, resumes to the
// same numbers, and saves the student alone.
func TestDistil(t *testing.T) {
	c := tiny(t)
	c.Distil.Teacher, c.Distil.Alpha, c.Distil.Temperature = tinyTeacher(t, c, nil), 0.3, 2
	out, result := train(t, c, Options{})
	for _, s := range steps(t, out) {
		if s.LabelLoss <= 0 || s.Loss == s.LabelLoss {
			t.Errorf("step %d: loss %v, label loss %v", s.Step, s.Loss, s.LabelLoss)
		}
	}
	m, err := checkpoint.Open(result.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Check(c.Model.Parameters()); err != nil { // no tensor of the teacher's
		t.Error(err)
	}
	if text := file(t, out, RunFile); !strings.Contains(text, "teacher: "+c.Distil.Teacher) || !strings.Contains(text, "alpha: 0.3") {
		t.Errorf("%s is\n%s", RunFile, text)
	}

	again := filepath.Join(t.TempDir(), "run")
	train(t, c, Options{Out: again, Resume: filepath.Join(out, CheckpointsDir, "step-00000004")})
	if a, b := records(t, out), records(t, again); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Errorf("unbroken:\n%s\nresumed:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// The weight of the text alone makes the run that has no teacher, but for rounding.
func TestDistilLabelsOnly(t *testing.T) {
	c := tiny(t)
	plain, _ := train(t, c, Options{})
	c.Distil.Teacher, c.Distil.Alpha = tinyTeacher(t, c, nil), 1
	out, _ := train(t, c, Options{})
	want := steps(t, plain)
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-5*b }
	for i, s := range steps(t, out) {
		if !near(s.Loss, want[i].Loss) || s.LabelLoss != s.Loss || !near(s.GradNorm, want[i].GradNorm) {
			t.Errorf("step %d: loss %v, label loss %v, gradient norm %v; without a teacher %v and %v",
				s.Step, s.Loss, s.LabelLoss, s.GradNorm, want[i].Loss, want[i].GradNorm)
		}
	}
}

// A student that starts as its teacher has nothing to learn from it, though the
// text would teach it: the teacher reads the same rows.
func TestDistilFromItself(t *testing.T) {
	for _, mask := range []bool{false, true} {
		c := tiny(t)
		c.Data.DocumentMask = mask
		_, result := train(t, c, Options{})
		c.Train.Steps = 1
		text, _ := train(t, c, Options{Init: result.Checkpoint})
		c.Distil.Teacher = result.Checkpoint
		itself, _ := train(t, c, Options{Init: result.Checkpoint})
		a, b := steps(t, text)[0], steps(t, itself)[0]
		if b.GradNorm > 0.03*a.GradNorm || math.Abs(b.LabelLoss-a.Loss) > 1e-4 {
			t.Errorf("mask %v: gradient norm %v and label loss %v, by the text %v and %v", mask, b.GradNorm, b.LabelLoss, a.GradNorm, a.Loss)
		}
	}
}

func TestDistilErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains several teachers")
	}
	base := tiny(t)
	good := tinyTeacher(t, base, nil)
	run := func(t *testing.T, c RunConfig, o Options) error {
		if o.Out == "" {
			o.Out = filepath.Join(t.TempDir(), "run")
		}
		o.Workers, o.PeakFLOPS = 2, 1e11
		_, err := Run(context.Background(), c, o)
		return err
	}
	copied := func(t *testing.T, change func(dir string)) string {
		dir := filepath.Join(t.TempDir(), "teacher")
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		change(dir)
		return dir
	}
	for _, test := range []struct {
		name   string
		change func(t *testing.T, c *RunConfig)
		want   []string
	}{
		{"alpha", func(_ *testing.T, c *RunConfig) { c.Distil.Alpha = -0.1 }, []string{"distil.alpha (-0.1) must lie in 0 to 1"}},
		{"temperature", func(_ *testing.T, c *RunConfig) { c.Distil.Temperature = 0 }, []string{"distil.temperature (0) must be a positive number"}},
		{"no teacher", func(_ *testing.T, c *RunConfig) { c.Distil.Teacher, c.Distil.Alpha = "", 0.5 }, []string{"the section distil has no teacher", "hint: "}},
		{"no folder", func(_ *testing.T, c *RunConfig) { c.Distil.Teacher = "/nowhere" }, []string{"distil.teacher: there is no model at /nowhere: ", "hint: "}},
		{"vocabulary", func(t *testing.T, c *RunConfig) {
			c.Distil.Teacher = tinyTeacher(t, base, func(c *RunConfig) { c.Model.VocabSize = 300 })
		}, []string{"has a vocabulary of 300, model.vocab_size is 257", "hint: "}},
		{"tokenizer", func(t *testing.T, c *RunConfig) {
			c.Distil.Teacher = tinyTeacher(t, base, func(c *RunConfig) { c.Data.Tokenizer = "train" })
		}, []string{"distil.teacher (", "has tokenizer ", "the model learns with tokenizer ", "data.tokenizer: bytes", "hint: --set data.tokenizer="}},
		{"no tokenizer", func(t *testing.T, c *RunConfig) {
			c.Distil.Teacher = copied(t, func(dir string) { // as an export has it, with no checksums
				os.Remove(filepath.Join(dir, "state.json"))
				os.Remove(filepath.Join(dir, "tokenizer.json"))
			})
		}, []string{"distil.teacher (", "tokenizer", "hint: "}},
		{"damaged checkpoint", func(t *testing.T, c *RunConfig) {
			c.Distil.Teacher = copied(t, func(dir string) { os.Remove(filepath.Join(dir, "tokenizer.json")) })
		}, []string{"distil.teacher: ", "tokenizer.json"}},
		{"context", func(_ *testing.T, c *RunConfig) { c.Model.Context, c.Data.Seq = 64, 64 }, []string{"has a context of 32 tokens, fewer than data.seq (64)", "hint: "}},
		{"truncated weights", func(t *testing.T, c *RunConfig) {
			c.Distil.Teacher = copied(t, func(dir string) {
				if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 5000); err != nil {
					t.Fatal(err)
				}
			})
		}, []string{"distil.teacher: ", "model.safetensors"}},
		{"no weights", func(t *testing.T, c *RunConfig) {
			c.Distil.Teacher = copied(t, func(dir string) { os.Remove(filepath.Join(dir, "model.safetensors")) })
		}, []string{"distil.teacher: ", "model.safetensors"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := base
			c.Distil.Teacher = good
			test.change(t, &c)
			checkError(t, run(t, c, Options{}), test.want...)
		})
	}

	c := base
	c.Distil.Teacher = good
	out, result := train(t, c, Options{})
	c.Distil.Teacher = tinyTeacher(t, base, func(c *RunConfig) { c.Train.Seed++ })
	checkError(t, run(t, c, Options{Out: out, Resume: result.Checkpoint}), "has checksum ", "a resumed run cannot change it", "hint: ")
	c.Distil.Teacher, c.Distil.Temperature = good, 3
	checkError(t, run(t, c, Options{Out: out, Resume: result.Checkpoint}), "distil.temperature is 1 in checkpoint", "3 in the configuration")
}

// A plan needs of the teacher its config.json alone, here LLaMA-2 7B's.
func TestDistilPlan(t *testing.T) {
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	c := DefaultRun()
	c.Distil.Teacher = "testdata/llama-2-7b"
	c.Train.MicroBatch = 1
	p, err := NewPlan(context.Background(), c, dev)
	if err != nil {
		t.Fatal(err)
	}
	const parameters = 6738415616
	if p.Teacher == nil || p.Teacher.Parameters != parameters {
		t.Fatalf("the teacher is %+v", p.Teacher)
	}
	// Two operations for each weight but those of the embedding, and causal attention.
	flops := int64(2*(parameters-32000*4096-65*4096) + 2*32*4096*2048)
	if p.Teacher.FLOPsPerToken != flops || p.Teacher.MemoryBytes < 4*parameters || p.Memory.Teacher != p.Teacher.MemoryBytes {
		t.Errorf("the teacher is %+v, want %d FLOPs", p.Teacher, flops)
	}
	share := float64(flops) / float64(flops+p.FLOPsPerToken)
	if math.Abs(p.Teacher.TimeShare-share) > 1e-9 || share < 0.9 || math.Abs(p.Teacher.Seconds-share*p.Seconds) > 1e-6*p.Seconds {
		t.Errorf("the teacher is %+v of %v s, want a share of %v", p.Teacher, p.Seconds, share)
	}
	c.Model.VocabSize = 8000
	_, err = NewPlan(context.Background(), c, dev)
	checkError(t, err, "has a vocabulary of 32000, model.vocab_size is 8000")
}
