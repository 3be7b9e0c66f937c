package tasks

import (
	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// OpenBookQA are elementary science questions (Mihaylov et al., 2018). The question
// stands bare before the choice.
var OpenBookQA = eval.Task{
	Name: "openbookqa", Title: "OBQA", Version: "1.0", Kind: eval.MultipleChoice, Test: true,
	Sources: []eval.Source{
		{
			Names:    []string{"openbookqa/test.jsonl", "OpenBookQA-V1-Sep2018/Data/Main/test.jsonl"},
			Examples: "train.jsonl", URL: "https://allenai.org/data/open-book-qa",
		},
		hub("allenai/openbookqa", "main", "test", "train"),
		{Names: []string{"openbookqa/openbook_qa.jsonl"}, URL: "https://github.com/mosaicml/llm-foundry"},
	},
	Questions: func(r *dataset.Record, p eval.Protocol) []eval.Item {
		if r.Has("query") { // llm-foundry's form
			requests := choices(r.Text("query"), r.Texts("choices"))
			return one(eval.Item{Requests: withPrior(requests, p), Gold: r.Int("gold")})
		}
		question, field := "question_stem", "choices"
		if !r.Has(question) { // AI2's own form
			question, field = "question.stem", "question.choices"
		}
		texts, labels := labelled(r, field)
		return one(eval.Item{
			ID:       id(r, "id"),
			Requests: withPrior(choices(r.Text(question), texts), p),
			Gold:     r.Index("answerKey", labels),
		})
	},
	Reports: map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.Acc, eval.AccNorm},
		eval.Paper:  {eval.AccPrior, eval.Acc, eval.AccNorm},
	},
}
