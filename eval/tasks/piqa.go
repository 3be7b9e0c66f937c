package tasks

import (
	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// PIQA asks for the better of two ways to reach a goal (Bisk et al., 2020).
var PIQA = eval.Task{
	Name: "piqa", Title: "PIQA", Version: "1.0", Kind: eval.MultipleChoice,
	Sources: []eval.Source{
		{Names: []string{"piqa/valid.jsonl"}, Labels: "valid-labels.lst", Examples: "train.jsonl", URL: "https://yonatanbisk.com/piqa"},
		{Names: []string{"piqa/dev.jsonl", "physicaliqa-train-dev/dev.jsonl"}, Labels: "dev-labels.lst", Examples: "train.jsonl", URL: "https://yonatanbisk.com/piqa"},
		hub("baber/piqa", "", "validation", "train"),
		hub("ybisk/piqa", "", "validation", "train"),
	},
	Read: dataset.Labelled,
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		return one(eval.Item{
			ID:       id(r, "id"),
			Requests: choices("Question: "+r.Text("goal")+"\nAnswer:", []string{r.Text("sol1"), r.Text("sol2")}),
			Gold:     r.Int("label"),
		})
	},
	Reports: normed,
}
