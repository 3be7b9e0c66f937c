package tasks

import (
	"fmt"
	"unicode/utf8"

	"mobilellm/data/ingest"
	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// FromFile is a task of a user's own, of a file of JSON objects or parquet rows, of one of
// three forms, which the first record tells:
//
//	{"context": "The capital of France is", "continuation": "Paris"}
//	{"query": "Predators eat", "choices": ["lions", "bunnies"], "gold": 1}
//	{"context_options": ["Ann ran since Ann", "Ann ran since Bob"], "continuation": "was late", "gold": 0}
//
// A space parts context and continuation, unless either has white space there or the
// context is empty. gold counts from 0.
func FromFile(name, path string) (eval.Task, error) {
	for r, err := range dataset.Objects(path) {
		if err != nil {
			return eval.Task{}, err
		}
		for _, form := range forms {
			if r.Has(form.field) {
				form.task.Name, form.task.Title = name, name
				form.task.Sources = []eval.Source{{Names: []string{path}}}
				return form.task, nil
			}
		}
		return eval.Task{}, fmt.Errorf("%s: item 0: none of the fields context_options, query and context\nhint: a task of your own has {\"context\", \"continuation\"}, {\"query\", \"choices\", \"gold\"} or {\"context_options\", \"continuation\", \"gold\"}", r.Name)
	}
	return eval.Task{}, fmt.Errorf("%s: no items", ingest.Clean(path))
}

// forms are those of a user's records, by the field that tells them.
var forms = []struct {
	field string
	task  eval.Task
}{
	{"context_options", eval.Task{Kind: eval.MultipleChoice, Reports: normed, Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		text := r.Text("continuation")
		item := eval.Item{ID: id(r, "id"), Gold: r.Int("gold")}
		for _, context := range r.Texts("context_options") {
			item.Requests = append(item.Requests, joined(context, text))
		}
		return one(item)
	}}},
	{"query", eval.Task{Kind: eval.MultipleChoice, Reports: normed, Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		query := r.Text("query")
		item := eval.Item{ID: id(r, "id"), Gold: r.Int("gold")}
		for _, choice := range r.Texts("choices") {
			item.Requests = append(item.Requests, joined(query, choice))
		}
		return one(item)
	}}},
	{"context", eval.Task{Kind: eval.LogLikelihood, Reports: map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.AccGreedy, eval.Perplexity},
		eval.Paper:  {eval.AccGreedy, eval.Perplexity},
	}, Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		return one(eval.Item{ID: id(r, "id"), Requests: []eval.Request{joined(r.Text("context"), r.Text("continuation"))}})
	}}},
}

// joined is a request of a context and a text with a space between where there is none.
func joined(context, text string) eval.Request {
	before, _ := utf8.DecodeLastRuneInString(context)
	first, _ := utf8.DecodeRuneInString(text)
	request := eval.Request{Context: context, Continuation: text, Choice: text}
	if context != "" && !python.IsSpace(before) && !python.IsSpace(first) {
		request.Continuation = " " + text
	}
	return request
}
