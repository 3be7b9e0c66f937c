package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/checkpoint"
	"mobilellm/internal/jsonfloat"
)

// fixedScores gives scores in turn, and counts the weights that it reads.
type fixedScores struct {
	scores []float64
	asked  int
	read   int
	fail   func(asked int) error
}

func (f *fixedScores) Score(_ context.Context, m TaskModel) ([]TaskScore, error) {
	f.asked++
	if f.fail != nil {
		if err := f.fail(f.asked); err != nil {
			return nil, err
		}
	}
	for _, p := range m.Config.Parameters() {
		x := make([]float32, p.Size())
		if err := m.Load(p.Name, x, p.Shape); err != nil {
			return nil, err
		}
		for _, v := range x {
			if v != 0 {
				f.read++
			}
		}
	}
	v := f.scores[(f.asked-1)%len(f.scores)]
	return []TaskScore{
		{Task: "arc_easy", Measure: "acc", Value: jsonfloat.Float(v), StdErr: 0.1, N: 20},
		{Task: "wikitext2", Measure: "word_perplexity", Value: jsonfloat.Float(10 * v), Lower: true, N: 1},
	}, nil
}

func withTasks(c RunConfig, best string, f *fixedScores) (RunConfig, Options) {
	c.Eval.Tasks, c.Eval.TaskEvery, c.Checkpoint.Best = []string{"arc_easy", "wikitext2"}, 4, best
	return c, Options{Tasks: func(context.Context, Eval) (TaskScorer, error) { return f, nil }}
}

// Measuring by tasks changes no bit of a run, and its lines stand among the others.
func TestTasks(t *testing.T) {
	plain, result := train(t, tiny(t), Options{})
	f := &fixedScores{scores: []float64{0.25, 0.5, 0.375}}
	c, o := withTasks(tiny(t), "", f)
	out, measured := train(t, c, o)
	if f.asked != 3 || f.read < 3*int(c.Model.ParameterCount())/2 {
		t.Errorf("asked %d times, read %d weights that are not 0", f.asked, f.read)
	}
	lines := records(t, out)
	tasks := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, "tasks:") })
	if len(tasks) != 3 || !strings.Contains(tasks[1], "step:8 tasks:[map[measure:acc n:20 stderr:0.1 task:arc_easy value:0.5] map[lower:true measure:word_perplexity") {
		t.Errorf("lines of tasks: %q", tasks)
	}
	if rest := slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "tasks:") }); !slices.Equal(rest, records(t, plain)) {
		t.Error("the run's other lines are not those of a run without tasks")
	}
	if a, b := file(t, result.Checkpoint, "model.safetensors"), file(t, measured.Checkpoint, "model.safetensors"); a != b {
		t.Error("the weights differ from those of a run without tasks")
	}
	s, err := ReadSummary(out)
	if err != nil || len(s.Tasks) != 2 || s.Tasks[0].Value != 0.375 {
		t.Errorf("result.json: %+v, %v", s, err)
	}
}

// The best checkpoint is by the highest accuracy, or by the lowest perplexity, and a
// resumed run knows it still.
func TestBestByTask(t *testing.T) {
	for best, want := range map[string]int64{"arc_easy": 8, "wikitext2": 4} {
		f := &fixedScores{scores: []float64{0.25, 0.5, 0.375}}
		c, o := withTasks(tiny(t), best, f)
		out, _ := train(t, c, o)
		marked, err := checkpoint.Best(filepath.Join(out, CheckpointsDir))
		if err != nil || marked.Step != want {
			t.Errorf("%s: the best is step %d, %v, want %d", best, marked.Step, err, want)
		}
		// Four more steps score between the values before: the mark stays.
		f.scores = []float64{0.375}
		c.Train.Steps = 16
		o.Out = out
		if o.Resume, err = LatestCheckpoint(out); err != nil {
			t.Fatal(err)
		}
		train(t, c, o)
		if marked, err = checkpoint.Best(filepath.Join(out, CheckpointsDir)); err != nil || marked.Step != want {
			t.Errorf("%s, resumed: the best is step %d, %v, want %d", best, marked.Step, err, want)
		}
	}
}

// A measurement that is interrupted costs no checkpoint, and is made when the run goes on.
func TestTasksInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := &fixedScores{scores: []float64{0.5}, fail: func(asked int) error {
		if asked == 2 {
			cancel()
			return ctx.Err()
		}
		return nil
	}}
	c, o := withTasks(tiny(t), "arc_easy", f)
	o.Out, o.Workers, o.PeakFLOPS = filepath.Join(t.TempDir(), "run"), 2, 1e11
	result, err := Run(ctx, c, o)
	if !errors.Is(err, ErrInterrupted) || result.Step != 8 {
		t.Fatalf("step %d: %v", result.Step, err)
	}
	o.Resume, f.fail = result.Checkpoint, nil
	out, _ := train(t, c, o)
	var steps []string
	for _, l := range records(t, out) {
		if strings.Contains(l, "tasks:") {
			steps = append(steps, l[:len("map[step:NN")])
		}
	}
	if want := []string{"map[step:4 ", "map[step:8 ", "map[step:12"}; !slices.Equal(steps, want) {
		t.Errorf("measured at %q, want %q", steps, want)
	}
}

func TestTasksConfig(t *testing.T) {
	for want, change := range map[string]func(*RunConfig){
		`eval.tasks: "a" comes twice`:                           func(c *RunConfig) { c.Eval.Tasks = []string{"a", "a"} },
		`checkpoint.best ("boolq") must be heldout_loss or one`: func(c *RunConfig) { c.Checkpoint.Best = "boolq" },
		`eval.task_every (-1) must be at least 0`:               func(c *RunConfig) { c.Eval.TaskEvery = -1 },
		`eval.tasks: this program measures none`:                func(c *RunConfig) { c.Eval.Tasks = []string{"a"} },
		`eval.tasks: no such file`:                              func(c *RunConfig) { c.Eval.Tasks = []string{"b"} },
	} {
		c := tiny(t)
		change(&c)
		o := Options{Out: filepath.Join(t.TempDir(), "run")}
		if len(c.Eval.Tasks) == 1 && c.Eval.Tasks[0] == "b" {
			o.Tasks = func(context.Context, Eval) (TaskScorer, error) { return nil, fmt.Errorf("no such file") }
		}
		_, err := Run(context.Background(), c, o)
		checkError(t, err, want)
	}
}
