package tasks

import (
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// LAMBADA asks for a passage's last word (Paperno et al., 2016), in OpenAI's form of the
// texts.
var LAMBADA = eval.Task{
	Name: "lambada_openai", Title: "LAMBADA", Version: "1.0", Kind: eval.LogLikelihood, Test: true,
	Sources: []eval.Source{
		{Names: []string{"lambada/lambada_test.jsonl", "lambada_openai/lambada_test.jsonl", "lambada_openai/lambada_test_en.jsonl"}, URL: "https://github.com/openai/gpt-2"},
		hub("EleutherAI/lambada_openai", "", "test", ""),
	},
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		text := r.Text("text")
		at := max(0, strings.LastIndexByte(text, ' '))
		word := strings.TrimPrefix(text[at:], " ")
		return one(eval.Item{Requests: []eval.Request{{Context: text[:at], Continuation: " " + word, Choice: word}}})
	},
	Reports: map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.AccGreedy, eval.Perplexity},
		eval.Paper:  {eval.AccGreedy, eval.Perplexity},
	},
}
