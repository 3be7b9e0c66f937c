package table

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/paper"
	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/regular"
)

// Model is an evaluated model.
type Model struct {
	Name     string
	Protocol eval.Protocol
	// The shape is 0 where the results do not say it.
	Parameters             float64 // millions
	Layers, Heads, KVHeads int
	scores                 map[string]score // by task
	average                score            // of the zero-shot tasks; not there unless all are
	subset                 bool             // some task was put in part
}

// score is in per cent.
type score struct {
	value, stderr float64 // stderr is NaN where there is none
}

// Read reads results as mobilellm-eval --json prints them. The model is named by the
// caller, or else by the last part of its path.
func Read(path, name string) (*Model, error) {
	raw, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Model      string            `json:"model"`
		Protocol   eval.Protocol     `json:"protocol"`
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
	m := &Model{Name: name, Protocol: file.Protocol, Parameters: file.Parameters / 1e6, Layers: file.Layers, Heads: file.Heads, KVHeads: file.KVHeads, scores: map[string]score{}}
	if m.Name == "" {
		m.Name = filepath.Base(strings.TrimRight(file.Model, `/\`))
	}
	if file.Model == "" && name == "" {
		m.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	for i, r := range file.Results {
		if err := m.add(r); err != nil {
			return nil, fmt.Errorf("%s: result %d: %w", path, i, err)
		}
	}
	m.setAverage()
	return m, nil
}

// add keeps the score of a task that the paper has a column for.
func (m *Model) add(raw json.RawMessage) error {
	var head struct {
		Task, Score string
		N, Of       int
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return err
	}
	if head.Task == "" {
		return fmt.Errorf("names no task")
	}
	if paper.Titles[head.Task] == "" {
		return nil
	}
	if _, twice := m.scores[head.Task]; twice {
		return fmt.Errorf("task %s is there twice", head.Task)
	}
	measure := head.Score
	if strings.HasPrefix(head.Task, "triviaqa") {
		measure = "f1" // as the paper's
	}
	var values map[string]any
	if err := json.Unmarshal(raw, &values); err != nil {
		return err
	}
	value, ok := values[measure].(float64)
	if !ok || value < 0 || value > 1 {
		return fmt.Errorf("task %s: %s (%v) must be a share, from 0 to 1", head.Task, measure, values[measure])
	}
	stderr, ok := values[measure+"_stderr"].(float64)
	if !ok {
		stderr = math.NaN()
	}
	m.scores[head.Task] = score{100 * value, 100 * stderr}
	m.subset = m.subset || head.N < head.Of
	return nil
}

// setAverage is the mean of the eight zero-shot tasks, which are independent.
func (m *Model) setAverage() {
	m.average = score{math.NaN(), math.NaN()}
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
	m.average = score{sum / n, math.Sqrt(squares) / n}
}

// hasAverage says whether all of the zero-shot tasks are there.
func (m *Model) hasAverage() bool { return jsonfloat.Float(m.average.value).Finite() }
