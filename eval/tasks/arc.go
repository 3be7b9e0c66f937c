package tasks

import (
	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// ARCEasy and ARCChallenge are grade-school science questions (Clark et al., 2018), mostly
// of four choices, some of three or five.
var (
	ARCEasy      = arc("arc_easy", "ARC-e", "ARC-Easy")
	ARCChallenge = arc("arc_challenge", "ARC-c", "ARC-Challenge")
)

func arc(name, title, set string) eval.Task {
	return eval.Task{
		Name: name, Title: title, Version: "1.0", Kind: eval.MultipleChoice, Test: true,
		Sources: []eval.Source{
			{
				Names:    []string{name + "/test.jsonl", "ARC-V1-Feb2018-2/" + set + "/" + set + "-Test.jsonl"},
				Examples: "train.jsonl",
				URL:      "https://allenai.org/data/arc",
			},
			hub("allenai/ai2_arc", set, "test", "train"),
		},
		Questions: arcItem,
		Reports:   normed,
	}
}

func arcItem(r *dataset.Record, _ eval.Protocol) []eval.Item {
	question, field := "question", "choices"
	if !r.IsText(question) { // AI2's own form
		question, field = "question.stem", "question.choices"
	}
	texts, labels := labelled(r, field)
	return one(eval.Item{
		ID:       id(r, "id"),
		Requests: choices("Question: "+r.Text(question)+"\nAnswer:", texts),
		Gold:     r.Index("answerKey", labels),
	})
}
