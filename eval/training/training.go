// Package training measures a model by benchmarks while it trains, and has it write:
// [Open] is what train.Options.Tasks wants, [Sample] is a train.Sampler.
package training

import (
	"context"
	"errors"
	"fmt"

	"mobilellm/engine"
	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/infer"
	"mobilellm/internal/jsonfloat"
	"mobilellm/train"
)

// seed draws the subset of each task's questions: the same in every run.
const seed = 1234

type scorer struct {
	names   []string // as configured: tasks and groups
	samples map[string][]eval.Sample
	options eval.Options
}

// Open reads the questions of the tasks and groups that a configuration names.
func Open(ctx context.Context, e train.Eval) (train.TaskScorer, error) {
	s := &scorer{
		names: e.Tasks, samples: map[string][]eval.Sample{},
		options: eval.Options{Protocol: eval.Protocol(e.Protocol), DataDir: e.DataDir, Limit: e.TaskItems, Seed: seed},
	}
	if p := s.options.Protocol; p != eval.LMEval && p != eval.Paper {
		return nil, fmt.Errorf("eval.protocol (%q) must be %s or %s", p, eval.LMEval, eval.Paper)
	}
	seen := map[string]string{}
	for _, name := range e.Tasks {
		list, err := tasks.Get(name)
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			if other, twice := seen[t.Name]; twice {
				return nil, fmt.Errorf("%s is in both %s and %s", t.Name, other, name)
			}
			seen[t.Name] = name
		}
		if s.samples[name], err = eval.Draw(ctx, list, s.options); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Score implements train.TaskScorer: the score of each task and, of a group, the mean of
// all besides. The weights are copied, as inference lays them out, and given back.
func (s *scorer) Score(ctx context.Context, t train.TaskModel) (scores []train.TaskScore, err error) {
	o := eval.LoadOptions(infer.LoadOptions{})
	o.CacheTokens = min(o.CacheTokens, train.TaskCacheTokens)
	m, err := load(t, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	options := s.options
	options.Progress = t.Progress
	for _, name := range s.names {
		results, err := eval.Ask(ctx, m, s.samples[name], options)
		if err != nil {
			return nil, err
		}
		var parts []string
		n := 0
		for _, r := range results {
			v := r.Score()
			scores = append(scores, train.TaskScore{
				Task: r.Task, Measure: v.Name, Value: jsonfloat.Float(v.Value), StdErr: jsonfloat.Float(v.StdErr), N: r.N, Lower: v.Lower,
			})
			parts, n = append(parts, r.Task), n+r.N
		}
		if mean, stderr, ok := eval.Average(results, parts); ok && (len(parts) > 1 || parts[0] != name) {
			scores = append(scores, train.TaskScore{Task: name, Measure: "average", Value: jsonfloat.Float(mean), StdErr: jsonfloat.Float(stderr), N: n})
		}
	}
	return scores, nil
}

// load lays the weights out as inference does.
func load(t train.TaskModel, o infer.LoadOptions) (*infer.Model, error) {
	if _, packs := t.Device.(engine.Packer); packs {
		o.Precision = t.Precision
	}
	return infer.New(t.Config, t.Tokenizer, t.Device, o, t.Load)
}
