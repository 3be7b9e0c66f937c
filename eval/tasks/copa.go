package tasks

import (
	"unicode/utf8"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// COPA asks for a cause or an effect (Roemmele et al., 2011), in SuperGLUE's form. The
// harness puts two spaces before a choice.
var COPA = eval.Task{
	Name: "copa", Title: "COPA", Version: "1.0", Kind: eval.MultipleChoice,
	Sources: []eval.Source{
		{Names: []string{"copa/val.jsonl", "COPA/val.jsonl"}, Examples: "train.jsonl", URL: "https://super.gluebenchmark.com/tasks"},
		hub("aps/super_glue", "copa", "validation", "train"),
	},
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		connectors := map[string]string{"cause": " because", "effect": " therefore"}
		connector, ok := connectors[r.Text("question")]
		if !ok {
			r.Fail("field %q is %q, want cause or effect", "question", r.Text("question"))
		}
		premise := python.Strip(r.Text("premise"))
		_, point := utf8.DecodeLastRuneInString(premise)
		return one(eval.Item{
			Requests: spaced(choices(premise[:len(premise)-point]+connector, []string{
				lowerFirst(r.Text("choice1")), lowerFirst(r.Text("choice2")),
			})),
			Gold: r.Int("label"),
		})
	},
	Reports: plain,
}

// lowerFirst is a text with a small first letter.
func lowerFirst(text string) string {
	_, n := utf8.DecodeRuneInString(text)
	return python.Lower(text[:n]) + text[n:]
}

// spaced puts one more space before each continuation.
func spaced(requests []eval.Request) []eval.Request {
	for i := range requests {
		requests[i].Continuation = " " + requests[i].Continuation
	}
	return requests
}
