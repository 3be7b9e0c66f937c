package tasks

import (
	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// BoolQ are yes/no questions on a passage (Clark et al., 2019). Google's own file has the
// passage's title apart, with which SuperGLUE's passage begins.
var BoolQ = eval.Task{
	Name: "boolq", Title: "BoolQ", Version: "2.0", Kind: eval.MultipleChoice,
	Sources: []eval.Source{
		{Names: []string{"boolq/val.jsonl", "BoolQ/val.jsonl"}, Examples: "train.jsonl", URL: "https://super.gluebenchmark.com/tasks"},
		{Names: []string{"boolq/dev.jsonl"}, Examples: "train.jsonl", URL: "https://github.com/google-research-datasets/boolean-questions"},
		hub("aps/super_glue", "boolq", "validation", "train"),
		hub("google/boolq", "", "validation", "train"),
	},
	Questions: func(r *dataset.Record, p eval.Protocol) []eval.Item {
		label := "label"
		if !r.Has(label) && r.Has("answer") {
			label = "answer"
		}
		passage := r.Text("passage")
		if r.Has("title") {
			passage = r.Text("title") + " -- " + passage
		}
		context := passage + "\nQuestion: " + r.Text("question") + "?\nAnswer:"
		return one(eval.Item{Requests: withPrior(choices(context, []string{"no", "yes"}), p), Gold: r.Int(label)})
	},
	Reports: map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.Acc},
		eval.Paper:  {eval.AccPrior, eval.Acc},
	},
}
