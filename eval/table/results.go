package table

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/paper"
	"mobilellm/eval/tasks"
	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/regular"
)

// Model is an evaluated model by one protocol.
type Model struct {
	Name     string
	Protocol eval.Protocol
	// The shape is 0 where the results do not say it.
	Parameters             float64 // millions
	Layers, Heads, KVHeads int
	scores                 map[string]score // by task
	calling                map[string]score // the measures of Table 6, API calling; nil where it was not asked
	constrained            bool             // API calling, where only calls that fit can be answered
	average                score            // of the zero-shot tasks; not there unless all are
	subset                 bool             // some task was put in part
	// measure tells the two of a model by lm-eval apart: acc, which is that protocol's
	// score, and acc_norm, where a task has it. The paper's own scores are nearer to
	// acc_norm, and pictures show that one.
	measure string
}

// score is in per cent.
type score struct {
	value, stderr float64 // stderr is NaN where there is none
	measure       string
}

// accNorm is the name of the log-likelihood per character.
var accNorm = eval.AccNorm.Name

// Read reads results as mobilellm-eval --json prints them, which are those of as many
// models as there are protocols, and two by lm-eval where tasks have acc_norm. The model is
// named by the caller, or else by the last part of its path.
func Read(path, name string) ([]*Model, error) {
	raw, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Model      string            `json:"model"`
		Parameters float64           `json:"parameters"`
		Layers     int               `json:"layers"`
		Heads      int               `json:"heads"`
		KVHeads    int               `json:"kv_heads"`
		Results    []json.RawMessage `json:"results"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%s: is no JSON of mobilellm-eval: %w", path, err)
	}
	if file.Results == nil {
		return nil, fmt.Errorf("%s: has no results, which mobilellm-eval --json prints", path)
	}
	if name == "" {
		name = filepath.Base(strings.TrimRight(file.Model, `/\`))
	}
	if file.Model == "" && name == "." {
		name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	of := func(p eval.Protocol, measure string) *Model {
		return &Model{Name: name, Protocol: p, measure: measure, Parameters: file.Parameters / 1e6, Layers: file.Layers, Heads: file.Heads, KVHeads: file.KVHeads, scores: map[string]score{}}
	}
	var models, calling []*Model
	for i, raw := range file.Results {
		r, err := parse(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: result %d: %w", path, i, err)
		}
		if r.task == tasks.APICalling.Name || r.task == tasks.ConstrainedCalling.Name {
			m := of(r.protocol, "")
			if err := m.addCalling(r); err != nil {
				return nil, fmt.Errorf("%s: result %d: %w", path, i, err)
			}
			calling = append(calling, m)
			continue
		}
		if !slices.ContainsFunc(models, func(m *Model) bool { return m.Protocol == r.protocol }) {
			if models = append(models, of(r.protocol, "")); r.protocol == eval.LMEval {
				models = append(models, of(r.protocol, accNorm))
			}
		}
		for _, m := range models {
			if m.Protocol != r.protocol {
				continue
			}
			if err := m.add(r); err != nil {
				return nil, fmt.Errorf("%s: result %d: %w", path, i, err)
			}
		}
	}
	for _, m := range append(models[:len(models):len(models)], calling...) {
		m.setAverage()
	}
	return append(apart(models), calling...), nil
}

// apart leaves the model by acc_norm away where no task has it.
func apart(models []*Model) []*Model {
	at := slices.IndexFunc(models, func(m *Model) bool { return m.measure == accNorm })
	switch {
	case at < 0:
		return models
	case !models[at].has(accNorm):
		return slices.Delete(models, at, at+1)
	}
	models[at-1].measure = eval.Acc.Name
	return models
}

// has says whether the score of any of the tasks, or of all there are, is that measure.
func (m *Model) has(measure string, tasks ...string) bool {
	for task, s := range m.scores {
		if s.measure == measure && (len(tasks) == 0 || slices.Contains(tasks, task)) {
			return true
		}
	}
	return false
}

// result is that of a task.
type result struct {
	task     string
	protocol eval.Protocol
	score    string // the name of the measure
	subset   bool
	values   map[string]any
}

func parse(raw json.RawMessage) (result, error) {
	var head struct {
		Task, Score string
		Protocol    eval.Protocol
		N, Of       int
	}
	r := result{}
	if err := errors.Join(json.Unmarshal(raw, &head), json.Unmarshal(raw, &r.values)); err != nil {
		return r, err
	}
	if head.Task == "" {
		return r, errors.New("names no task")
	}
	r.task, r.protocol, r.score, r.subset = head.Task, head.Protocol, head.Score, head.N < head.Of
	return r, nil
}

// addCalling keeps the measures of API calling.
func (m *Model) addCalling(r result) error {
	m.calling, m.constrained, m.subset = map[string]score{}, r.task == tasks.ConstrainedCalling.Name, r.subset
	for _, measure := range paper.Calling {
		s, err := r.share(measure)
		if err != nil {
			return err
		}
		m.calling[measure] = s
	}
	return nil
}

// share is a measure that is one, in per cent.
func (r result) share(measure string) (score, error) {
	value, ok := r.values[measure].(float64)
	if !ok || value < 0 || value > 1 {
		return score{}, fmt.Errorf("task %s: %s (%v) must be a share, from 0 to 1", r.task, measure, r.values[measure])
	}
	stderr, ok := r.values[measure+"_stderr"].(float64)
	if !ok {
		stderr = math.NaN()
	}
	return score{100 * value, 100 * stderr, measure}, nil
}

// add keeps the score of a task that the paper has a column for.
func (m *Model) add(r result) error {
	if paper.Titles[r.task] == "" {
		return nil
	}
	if _, twice := m.scores[r.task]; twice {
		return fmt.Errorf("task %s is there twice", r.task)
	}
	measure := r.score
	if strings.HasPrefix(r.task, "triviaqa") {
		measure = eval.F1.Name // as the paper's
	}
	if _, ok := r.values[accNorm]; ok && m.measure == accNorm {
		measure = accNorm
	}
	got, err := r.share(measure)
	if err != nil {
		return err
	}
	m.scores[r.task] = got
	m.subset = m.subset || r.subset
	return nil
}

// setAverage is the mean of the eight zero-shot tasks, which are independent.
func (m *Model) setAverage() {
	m.average = score{value: math.NaN(), stderr: math.NaN()}
	sum, squares := 0.0, 0.0
	for _, task := range paper.ZeroShot {
		s, ok := m.scores[task]
		if !ok {
			return
		}
		sum += s.value
		squares += s.stderr * s.stderr
	}
	n := float64(len(paper.ZeroShot))
	m.average = score{value: sum / n, stderr: math.Sqrt(squares) / n}
}

// hasAverage says whether all of the zero-shot tasks are there.
func (m *Model) hasAverage() bool { return jsonfloat.Float(m.average.value).Finite() }
