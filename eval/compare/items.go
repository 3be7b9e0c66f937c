package compare

import (
	"fmt"
	"slices"
	"strings"

	"mobilellm/eval"
)

// LogLikelihood is the measure of items with one continuation besides the task's own: the
// sum of its tokens' log-probabilities, in nats.
const LogLikelihood = "loglikelihood"

// Answers are a model's to the questions of some tasks, by one protocol.
type Answers struct {
	File     string
	Head     eval.Head
	Protocol eval.Protocol
	Tasks    []string // in the file's order
	items    map[string]map[string]item
}

// item is a question with what its answer was worth.
type item struct {
	hash   string // of the question as it was put
	values map[string]float64
}

// Read reads the answers by a protocol in a file that mobilellm-eval --items wrote; with
// none by the only one that the file has.
func Read(path string, p eval.Protocol) (*Answers, error) {
	head, lines, err := eval.ReadAnswers(path)
	if err != nil {
		return nil, err
	}
	var there []string
	for _, l := range lines {
		if !slices.Contains(there, string(l.Protocol)) {
			there = append(there, string(l.Protocol))
		}
	}
	switch {
	case len(there) == 0:
		return nil, fmt.Errorf("%s: there is no answer in it", path)
	case p != "" && !slices.Contains(there, string(p)):
		return nil, fmt.Errorf("%s: has no answers by protocol %s, but by %s", path, p, strings.Join(there, ", "))
	case p == "" && len(there) > 1:
		return nil, fmt.Errorf("%s: has answers by the protocols %s\nhint: name one with --protocol", path, strings.Join(there, ", "))
	case p == "":
		p = eval.Protocol(there[0])
	}
	a := &Answers{File: path, Head: head, Protocol: p, items: map[string]map[string]item{}}
	a.add(slices.DeleteFunc(lines, func(l eval.Line) bool { return l.Protocol != p }))
	return a, nil
}

// add keeps the answers by task and id. A later line of an item takes the place of an
// earlier one; of several items with one id, as RACE has, the file's order tells them
// apart.
func (a *Answers) add(lines []eval.Line) {
	last := map[string]map[int]eval.Line{}
	for _, l := range lines {
		if last[l.Task] == nil {
			last[l.Task] = map[int]eval.Line{}
			a.Tasks = append(a.Tasks, l.Task)
		}
		last[l.Task][l.Item] = l
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
			a.items[task][key] = itemOf(l)
		}
	}
}

func itemOf(l eval.Line) item {
	values := map[string]float64{}
	for name, v := range l.Values {
		values[name] = float64(v)
	}
	if len(l.Requests) == 1 { // a generation has none
		values[LogLikelihood] = float64(l.Requests[0].LogProb)
	}
	return item{l.Hash, values}
}
