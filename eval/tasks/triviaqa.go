package tasks

import (
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// TriviaQA are trivia questions answered without a text to read (Joshi et al., 2017). Any
// alias of the answer is right; examples show the first.
var TriviaQA = eval.Task{
	Name: "triviaqa", Title: "TQA", Version: "3.0", Kind: eval.Generation,
	Sources: []eval.Source{
		hub("mandarjoshi/trivia_qa", "rc.nocontext", "validation", "train"),
		{
			Names:    []string{"triviaqa/validation.jsonl"},
			Examples: "train.jsonl", URL: "https://huggingface.co/datasets/mandarjoshi/trivia_qa",
		},
		{
			Names:    []string{"triviaqa-unfiltered/unfiltered-web-dev.json", "triviaqa/unfiltered-web-dev.json"},
			Examples: "unfiltered-web-train.json", URL: "https://nlp.cs.washington.edu/triviaqa",
		},
		{
			Names: []string{"triviaqa/triviaqa_sm_sub.jsonl"}, URL: "https://github.com/mosaicml/llm-foundry",
			Note: "3,000 items with short answers; scores do not compare with the full set's",
		},
	},
	Read: readTriviaQA,
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		item := eval.Item{Until: []string{"\n", ".", ","}}
		context := ""
		switch {
		case r.Has("Question"): // the authors' own form
			item.ID, item.Answers = id(r, "QuestionId"), r.Texts("Answer.Aliases")
			context = triviaContext(r.Text("Question"))
		case r.Has("context"): // llm-foundry's, a prompt
			item.Answers = r.Texts("aliases")
			context = triviaContext(triviaQuestion(r))
		default:
			item.ID, item.Answers = id(r, "question_id"), r.Texts("answer.aliases")
			context = triviaContext(r.Text("question"))
		}
		item.Requests = []eval.Request{{Context: context}}
		return one(item)
	},
	Reports: map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.ExactMatch, eval.F1},
		eval.Paper:  {eval.F1, eval.ExactMatch},
	},
}

// triviaContext is the harness's prompt, with a second question mark where the question
// has its own.
func triviaContext(question string) string { return "Question: " + question + "?\nAnswer:" }

// triviaQuestion takes the question out of llm-foundry's prompt.
func triviaQuestion(r *dataset.Record) string {
	question, before := strings.CutPrefix(r.Text("context"), "Question: ")
	question, after := strings.CutSuffix(question, "\nAnswer:")
	if !before || !after {
		r.Fail("field %q is no question with %q and %q around it", "context", "Question: ", "\nAnswer:")
	}
	return question
}

// readTriviaQA gives the questions of the authors' own files, which are one object with a
// list of them, and other files' records.
func readTriviaQA(path string) dataset.Records {
	return func(yield func(*dataset.Record, error) bool) {
		for r, err := range dataset.Objects(path) {
			if err != nil || !r.IsList("Data") {
				if !yield(r, err) {
					return
				}
				continue
			}
			for _, question := range r.Objects("Data") {
				if !yield(question, nil) {
					return
				}
			}
		}
	}
}
