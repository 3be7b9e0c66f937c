package train

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mobilellm/arch"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/jsonfloat"
	"mobilellm/tokenizer"
)

// TaskScorer measures a model by benchmarks while it trains. Package eval/training has
// one.
type TaskScorer interface {
	// Score measures the model by all tasks of the configuration, in its order.
	Score(ctx context.Context, m TaskModel) ([]TaskScore, error)
}

// TaskModel is a model as a run has it.
type TaskModel struct {
	Config    arch.Config
	Tokenizer *tokenizer.Tokenizer
	Device    device.Device
	Precision engine.Precision
	// Load reads a parameter as float32, row-major. It may be called from several
	// goroutines.
	Load func(name string, dst []float32, shape []int) error
	// Progress tells how much of a task is done, in units of its own.
	Progress func(task string, done, total int64)
}

// TaskScore is a task's score.
type TaskScore struct {
	Task    string          `json:"task"`
	Measure string          `json:"measure"` // acc, acc_norm …
	Value   jsonfloat.Float `json:"value"`
	StdErr  jsonfloat.Float `json:"stderr"`          // of the mean over items
	N       int             `json:"n"`               // items
	Lower   bool            `json:"lower,omitempty"` // is better
}

func (s TaskScore) String() string {
	if s.Lower {
		return fmt.Sprintf("%s %.4g", s.Task, s.Value)
	}
	return fmt.Sprintf("%s %.1f ± %.1f", s.Task, 100*s.Value, 100*s.StdErr)
}

// TaskRecord is the line of a measurement by tasks.
type TaskRecord struct {
	Step  int64       `json:"step"`
	Tasks []TaskScore `json:"tasks"`
}

// find is the score of a task.
func (r *TaskRecord) find(task string) (TaskScore, bool) {
	if r != nil {
		for _, s := range r.Tasks {
			if s.Task == task {
				return s, true
			}
		}
	}
	return TaskScore{}, false
}

// TaskCacheTokens is how many tokens a TaskScorer's KV cache may hold, in float32: it
// counts in the plan of a run's memory.
const TaskCacheTokens = 16 << 10

// taskMemory is what measuring by tasks, and writing samples, takes: the weights as inference lays them out,
// and a KV cache.
func taskMemory(c *RunConfig) int64 {
	if len(c.Eval.Tasks)+len(c.Eval.Samples) == 0 {
		return 0
	}
	cache := c.Model.Cache(TaskCacheTokens, 1)
	return 4*c.Model.ParameterCount() + 4*2*TaskCacheTokens*int64(cache.Layers*cache.KVHeads*cache.HeadDim)
}

// openTasks reads the questions, before any other work.
func (r *run) openTasks(ctx context.Context) (err error) {
	if len(r.c.Eval.Tasks) == 0 {
		return nil
	}
	if r.o.Tasks == nil {
		return errors.New("eval.tasks: this program measures none")
	}
	if r.tasks, err = r.o.Tasks(ctx, r.c.Eval); err != nil {
		return fmt.Errorf("eval.tasks: %w", err)
	}
	return nil
}

func (r *run) tasksDue() bool {
	return (r.tasks != nil || len(r.c.Eval.Quantize) > 0) && r.taskStep()
}

// taskStep says whether this is a step to measure after.
func (r *run) taskStep() bool {
	e := r.c.Eval
	return r.last() || e.TaskEvery > 0 && r.state.step%int64(e.TaskEvery) == 0
}

// taskModel is the model as it is now, with its adapters in it.
func (r *run) taskModel() (TaskModel, error) {
	load, err := r.merged()
	return TaskModel{
		Config: r.c.Model, Tokenizer: r.text.Tokenizer, Device: r.dev, Precision: r.choice.Precision, Progress: r.o.Progress.Stage,
		Load: load,
	}, err
}

// scoreTasks measures the weights by the tasks. It changes nothing of the run's state.
func (r *run) scoreTasks(ctx context.Context) error {
	var scores []TaskScore
	if r.tasks != nil {
		m, err := r.taskModel()
		if err != nil {
			return err
		}
		if scores, err = r.tasks.Score(ctx, m); err != nil {
			return fmt.Errorf("measuring by tasks: %w", err)
		}
	}
	for _, q := range r.c.Eval.Quantize {
		s, err := r.scoreQuantized(ctx, q)
		if err != nil {
			return fmt.Errorf("measuring in %s: %w", q, err)
		}
		scores = append(scores, s)
	}
	r.state.tasks = &TaskRecord{r.state.step, scores}
	if err := r.metrics.write(*r.state.tasks); err != nil {
		return err
	}
	words := make([]string, len(scores))
	for i, s := range scores {
		words[i] = s.String()
	}
	r.o.Progress.Note("step %d: %s", r.state.step, strings.Join(words, ", "))
	return r.markTask()
}

// scoreQuantized scores the held-out text with the weights, and what they are multiplied
// with, rounded: quantised after training.
func (r *run) scoreQuantized(ctx context.Context, quantize string) (_ TaskScore, err error) {
	c, err := quantized(&r.c, quantize)
	if err != nil {
		return TaskScore{}, err
	}
	p, err := compileScoring(c, r.choice.MicroBatch, r.weights, r.dev, engine.Options{Precision: r.choice.Precision})
	if err != nil {
		return TaskScore{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	h, err := evaluate(ctx, p, r.heldout, r.state.step, r.ranks)
	return TaskScore{Task: QuantizedLoss(quantize), Measure: "loss", Value: h.HeldoutLoss, N: int(h.Tokens), Lower: true}, err
}

// quantized is a run's configuration with a model that is quantised.
func quantized(c *RunConfig, quantize string) (*RunConfig, error) {
	q, err := arch.ParseQuantize(quantize)
	if err != nil {
		return nil, err
	}
	other := *c
	other.Model.Quantize = q
	return &other, nil
}
