package tasks

import (
	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// SocialIQA asks about people's motives and reactions (Sap et al., 2019). Labels count
// from 1.
var SocialIQA = eval.Task{
	Name: "social_iqa", Title: "SIQA", Version: "0.0", Kind: eval.MultipleChoice,
	Sources: []eval.Source{
		{
			Names:  []string{"siqa/dev.jsonl", "social_iqa/dev.jsonl", "socialiqa-train-dev/dev.jsonl"},
			Labels: "dev-labels.lst", Examples: "train.jsonl", URL: "https://leaderboard.allenai.org/socialiqa",
		},
		hub("lighteval/siqa", "data", "validation", "train"),
		hub("allenai/social_i_qa", "", "validation", "train"),
	},
	Read: dataset.Labelled,
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		context := "Q: " + r.Text("context") + " " + r.Text("question") + "\nA:"
		return one(eval.Item{
			Requests: choices(context, []string{r.Text("answerA"), r.Text("answerB"), r.Text("answerC")}),
			Gold:     r.Int("label") - 1,
		})
	},
	Reports: plain,
}
