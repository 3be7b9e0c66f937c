package eval

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"mobilellm/infer"
	"mobilellm/tokenizer/chat"
)

// Options are those of an evaluation.
type Options struct {
	Protocol Protocol          // of the questions that are drawn
	DataDir  string            // the folder of data sets, see [Task.Find]
	Files    map[string]string // by the name of a task its file, for those not in DataDir
	Limit    int               // questions of a task at most, a subset drawn by Seed; 0 for all
	Seed     uint64
	Journal  *Journal // keeps the answers, and has those of before; nil for none
	// Template renders the conversations of Chat tasks in place of the model's own; nil for
	// that.
	Template *chat.Template
	// Keep, which may be nil, is given the answers to all questions of a sample.
	Keep func(s Sample, list []Answer) error
	// Progress, which may be nil, is told how much of a task is computed: tokens, or texts
	// of one that generates.
	Progress func(task string, done, total int64)
}

// Sample is a task with the questions that are put by a protocol: all, or a subset.
type Sample struct {
	Task     Task
	Protocol Protocol
	Items    []Item
	Index    []int // of the items, in the task's file
	Of       int   // questions that the file has
}

// Draw reads the questions of tasks. It is for callers that ask them more than once, as
// in training, or by more than one protocol; others call [Evaluate].
func Draw(ctx context.Context, tasks []Task, o Options) ([]Sample, error) {
	var samples []Sample
	for _, t := range tasks {
		file, ok := o.Files[t.Name]
		if !ok && t.Given == nil {
			if file, ok = t.File(o.DataDir); !ok {
				return nil, fmt.Errorf("%s: %s\nhint: mobilellm-eval datasets lists what each task wants", t.Name, t.missing(o.DataDir))
			}
		}
		items, err := t.Items(ctx, file, o.Protocol)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample(t, items, o))
	}
	return samples, nil
}

// missing says what a folder of data sets lacks of the task.
func (t Task) missing(dir string) string {
	for _, f := range t.Find(dir) {
		if f.File != "" {
			return fmt.Sprintf("%s has no %s beside it", f.File, f.Source.Labels)
		}
	}
	return "its files are not in " + cmp.Or(dir, ".")
}

func sample(t Task, items []Item, o Options) Sample {
	s := Sample{Task: t, Protocol: o.Protocol, Of: len(items)}
	s.Index = rand.New(rand.NewPCG(o.Seed, 0)).Perm(len(items))
	if o.Limit > 0 {
		s.Index = s.Index[:min(o.Limit, len(items))]
	}
	slices.Sort(s.Index)
	for _, i := range s.Index {
		s.Items = append(s.Items, items[i])
	}
	return s
}

// Evaluate measures a model by tasks. What the journal of the options has is not
// computed again.
func Evaluate(ctx context.Context, m *infer.Model, tasks []Task, o Options) ([]Result, error) {
	samples, err := Draw(ctx, tasks, o)
	if err != nil {
		return nil, err
	}
	return Ask(ctx, m, samples, o)
}
