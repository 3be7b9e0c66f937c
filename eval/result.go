package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"mobilellm/internal/jsonfloat"
)

// Value is a measure of a model.
type Value struct {
	Name   string
	Value  float64
	StdErr float64 // NaN where there is none: of one item, or of a measure that is no mean
	Lower  bool    // is better
}

// Result is what a task says of a model.
type Result struct {
	Task, Version string
	Protocol      Protocol
	N, Of         int     // questions put, of those that the task has
	Values        []Value // the first is the task's score
	Parts         []Part  // subsets that items name, see [Item.Parts]
	Cut           int     // questions of which tokens of the context did not fit
	Dropped       int     // examples that did not fit, of all questions
}

// Part is what a task says of some of its items.
type Part struct {
	Name   string
	N      int
	Values []Value
}

// result measures the answers.
func (s Sample) result(answers []Answer) Result {
	r := Result{Task: s.Task.Name, Version: s.Task.Version, Protocol: s.Protocol, N: len(s.Items), Of: s.Of}
	r.Values = s.values(s.Items, answers)
	for _, name := range s.parts() {
		var items []Item
		var of []Answer
		for i, item := range s.Items {
			if slices.Contains(item.Parts, name) {
				items, of = append(items, item), append(of, answers[i])
			}
		}
		r.Parts = append(r.Parts, Part{name, len(items), s.values(items, of)})
	}
	for _, a := range answers {
		cut := false
		for _, score := range a.Scores {
			cut = cut || score.Cut > 0
		}
		if cut {
			r.Cut++
		}
		r.Dropped += a.Dropped
	}
	return r
}

// values are the measures of some items.
func (s Sample) values(items []Item, answers []Answer) []Value {
	var list []Value
	for _, m := range s.Task.Measures(s.Protocol) {
		v := Value{Name: m.Name, StdErr: math.NaN(), Lower: m.Lower}
		if m.Total != nil {
			v.Value = m.Total(items, answers)
		} else {
			values := make([]float64, len(answers))
			for i, a := range answers {
				values[i] = m.Item(items[i], a)
			}
			v.Value, v.StdErr = meanOf(values)
		}
		list = append(list, v)
	}
	return list
}

// parts are the names of the items' subsets, in order.
func (s Sample) parts() []string {
	var names []string
	for _, item := range s.Items {
		names = append(names, item.Parts...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// meanOf is the mean and its standard error: the sample's deviation (of n−1) over √n.
func meanOf(x []float64) (mean, stderr float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v
	}
	mean /= n
	var squares float64
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(squares/(n-1)) / math.Sqrt(n)
}

// Score is the value that stands for the task.
func (r Result) Score() Value { return r.Values[0] }

// MarshalJSON writes an object with each measure under its name, and its standard error
// under name_stderr; stderr is the score's. parts has as much of each subset.
func (r Result) MarshalJSON() ([]byte, error) {
	object := map[string]any{
		"task": r.Task, "version": r.Version, "protocol": r.Protocol, "n": r.N, "of": r.Of,
		"cut": r.Cut, "dropped_examples": r.Dropped, "score": r.Score().Name, "stderr": jsonfloat.Float(r.Score().StdErr),
	}
	put(object, r.Values)
	if len(r.Parts) > 0 {
		parts := map[string]any{}
		for _, p := range r.Parts {
			part := map[string]any{"n": p.N}
			put(part, p.Values)
			parts[p.Name] = part
		}
		object["parts"] = parts
	}
	return json.Marshal(object)
}

func put(object map[string]any, values []Value) {
	for _, v := range values {
		object[v.Name] = jsonfloat.Float(v.Value)
		object[v.Name+"_stderr"] = jsonfloat.Float(v.StdErr)
	}
}

// Average is the mean of the tasks' scores, if all of them are there and shares of right
// answers, and its standard error, the tasks being independent.
func Average(results []Result, tasks []string) (mean, stderr float64, ok bool) {
	n := float64(len(tasks))
	for _, name := range tasks {
		found := false
		for _, r := range results {
			if v := r.Score(); r.Task == name && !v.Lower {
				found = true
				mean += v.Value / n
				stderr += v.StdErr * v.StdErr / (n * n)
			}
		}
		if !found {
			return 0, 0, false
		}
	}
	return mean, math.Sqrt(stderr), true
}

// Print writes results as a table: shares as percentages, with the standard error. Subsets
// stand below their task.
func Print(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "task\tmeasure\tvalue\tstderr\tn")
	for _, r := range results {
		n := fmt.Sprint(r.N)
		if r.N < r.Of {
			n += fmt.Sprintf(" of %d", r.Of)
		}
		printValues(t, r.Task, n, r.Values)
		for _, p := range r.Parts {
			printValues(t, "  "+p.Name, fmt.Sprint(p.N), p.Values)
		}
	}
	return t.Flush()
}

func printValues(w io.Writer, task, n string, values []Value) {
	for i, v := range values {
		if i > 0 {
			task, n = "", ""
		}
		value, stderr := fmt.Sprintf("%.2f", 100*v.Value), fmt.Sprintf("± %.2f", 100*v.StdErr)
		if v.Lower {
			value, stderr = fmt.Sprintf("%.4f", v.Value), fmt.Sprintf("± %.4f", v.StdErr)
		}
		if math.IsNaN(v.StdErr) {
			stderr = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", task, v.Name, value, stderr, n)
	}
}
