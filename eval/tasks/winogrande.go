package tasks

import (
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// WinoGrande asks which of two names fills a blank (Sakaguchi et al., 2020). The contexts
// are the sentence up to the blank with either name; what follows is scored.
var WinoGrande = eval.Task{
	Name: "winogrande", Title: "WinoGrande", Version: "1.0", Kind: eval.MultipleChoice,
	Sources: []eval.Source{
		{Names: []string{"winogrande/dev.jsonl", "winogrande_1.1/dev.jsonl"}, Examples: "train_xl.jsonl", URL: "https://github.com/allenai/winogrande"},
		hub("allenai/winogrande", "winogrande_xl", "validation", "train"),
	},
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		before, after, ok := strings.Cut(r.Text("sentence"), "_")
		if !ok {
			r.Fail("field %q has no blank _: %q", "sentence", before)
		}
		return one(eval.Item{
			ID:       id(r, "qID"),
			Requests: contexts([]string{before + r.Text("option1"), before + r.Text("option2")}, python.Strip(after)),
			Gold:     r.Int("answer") - 1,
		})
	},
	Reports: map[eval.Protocol][]eval.Measure{eval.LMEval: {eval.Acc}, eval.Paper: {eval.Acc}},
}

// contexts are requests for one text after each of several contexts, a space between.
func contexts(before []string, text string) []eval.Request {
	requests := make([]eval.Request, len(before))
	for i, context := range before {
		requests[i] = eval.Request{Context: context, Continuation: " " + text, Choice: text}
	}
	return requests
}
