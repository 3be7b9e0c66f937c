package compare

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"mobilellm/eval"
	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/regular"
)

// LogLikelihood is the measure of items with one continuation besides the task's own: the
// sum of its tokens' log-probabilities, in nats.
const LogLikelihood = "loglikelihood"

// Answers are a model's to the questions of some tasks.
type Answers struct {
	File  string
	Head  eval.Head
	Tasks []string // in the file's order
	items map[string]map[string]item
}

// item is a question with what its answer was worth.
type item struct {
	hash   string // of the question as it was put
	values map[string]float64
}

// line is what is read of a line that an eval.Journal wrote.
type line struct {
	Task     string `json:"task"`
	Item     *int   `json:"item"`
	ID       string `json:"id"`
	Hash     string `json:"hash"`
	Requests []struct {
		LogProb jsonfloat.Float `json:"loglikelihood"`
	} `json:"requests"`
	Values map[string]jsonfloat.Float `json:"values"`
}

// Read reads a file of answers, as mobilellm-eval --items writes it. Errors name file and
// line.
func Read(path string) (*Answers, error) {
	raw, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &Answers{File: path, items: map[string]map[string]item{}}
	var lines []line
	scanner := bufio.NewScanner(bytes.NewReader(raw))
	scanner.Buffer(nil, len(raw)+1)
	for n := 1; scanner.Scan(); n++ {
		if n == 1 {
			strict := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
			strict.DisallowUnknownFields()
			if err := strict.Decode(&a.Head); err != nil || a.Head.Protocol == "" {
				return nil, fmt.Errorf("%s: is no file of answers, which mobilellm-eval --items writes", path)
			}
			continue
		}
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		if l.Task == "" || l.Item == nil || *l.Item < 0 {
			return nil, fmt.Errorf("%s: line %d: an answer names task and item", path, n)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: there is no answer in it", path)
	}
	a.add(lines)
	return a, nil
}

// add keeps the answers by task and id. A later line of an item takes the place of an
// earlier one; of several items with one id, as RACE has, the file's order tells them
// apart.
func (a *Answers) add(lines []line) {
	last := map[string]map[int]line{}
	for _, l := range lines {
		if last[l.Task] == nil {
			last[l.Task] = map[int]line{}
			a.Tasks = append(a.Tasks, l.Task)
		}
		last[l.Task][*l.Item] = l
	}
	for task, byNumber := range last {
		numbers := make([]int, 0, len(byNumber))
		for n := range byNumber {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		a.items[task] = map[string]item{}
		times := map[string]int{}
		for _, n := range numbers {
			l := byNumber[n]
			key := l.ID
			if times[l.ID]++; times[l.ID] > 1 {
				key = fmt.Sprintf("%s (number %d of that id)", l.ID, times[l.ID])
			}
			a.items[task][key] = l.item()
		}
	}
}

func (l line) item() item {
	values := map[string]float64{}
	for name, v := range l.Values {
		values[name] = float64(v)
	}
	if len(l.Requests) == 1 { // a generation has none
		values[LogLikelihood] = float64(l.Requests[0].LogProb)
	}
	return item{l.Hash, values}
}
