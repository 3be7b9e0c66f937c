package tasks

import (
	"encoding/json"
	"io"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/tokenizer/chat"
)

// AlpacaEval are instructions of a turn each (Li et al., 2023). Its judge is another
// program: here answers are made, the likeliest, and written as alpaca_eval reads them
// (--model_outputs).
var AlpacaEval = eval.Task{
	Name: "alpaca-eval", Title: "AlpacaEval", Version: "1.0", Kind: eval.Chat,
	Sources: []eval.Source{{
		Names: []string{
			"alpaca_eval/alpaca_eval.json", "alpaca_eval/text_davinci_003.model_outputs.json", "chat/alpaca_eval/text_davinci_003.model_outputs.json",
		},
		URL:  "https://huggingface.co/datasets/tatsu-lab/alpaca_eval",
		Note: "any model's outputs have the instructions; those of text_davinci_001, which the paper compares with, lack two",
	}},
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		return one(eval.Item{
			Messages: []chat.Message{{Role: "user", Content: r.Text("instruction")}}, MaxTokens: chatTokens, Parts: []string{r.Text("dataset")},
		})
	},
	Reports: chatReports,
	Output:  &eval.Output{Path: "alpaca_eval/NAME/model_outputs.json", Write: writeAlpaca},
}

// chatTokens is how long an answer may be: MT-Bench's max_new_token.
const chatTokens = 1024

// chatReports are of tasks that another program judges.
var chatReports = map[eval.Protocol][]eval.Measure{eval.LMEval: {eval.Ended}, eval.Paper: {eval.Ended}}

// PaperPrompts are the three questions whose answers the paper's appendix J shows.
var PaperPrompts = eval.Task{
	Name: "paper-prompts", Title: "Appendix J", Version: "1.0", Kind: eval.Chat,
	Given: []eval.Item{
		paperPrompt("0", "Are there any particular physical benefits to mindful walking, such as improved posture or increased physical fitness?"),
		paperPrompt("1", "How do I wrap a present neatly?"),
		paperPrompt("2", "What are the best exercises for beginners?"),
	},
	Reports: chatReports,
	Output:  &eval.Output{Path: "paper_prompts/NAME.json", Write: writeAlpaca},
}

func paperPrompt(id, text string) eval.Item {
	return eval.Item{ID: id, Messages: []chat.Message{{Role: "user", Content: text}}, MaxTokens: chatTokens, Parts: []string{"appendix J"}}
}

// writeAlpaca writes answers as AlpacaEval has models' outputs.
func writeAlpaca(w io.Writer, model string, items []eval.Item, answers []eval.Answer) error {
	type output struct {
		Dataset     string `json:"dataset"`
		Instruction string `json:"instruction"`
		Output      string `json:"output"`
		Generator   string `json:"generator"`
	}
	list := []output{}
	for i, item := range items {
		list = append(list, output{item.Parts[0], item.Messages[len(item.Messages)-1].Content, answers[i].Turns[0].Text, model})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	return e.Encode(list)
}
