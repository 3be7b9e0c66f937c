package tasks

import (
	"fmt"
	"regexp"
	"strings"

	"mobilellm/data/ingest"
	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// HellaSwag asks how a text goes on (Zellers et al., 2019). The source of last resort is
// the whole validation set in the form that llama.cpp's perplexity reads: cleaned, without
// the mark between ctx_a and ctx_b, so that the harness's capital letter is put back where
// ctx_b begins as far as can be told.
var HellaSwag = eval.Task{
	Name: "hellaswag", Title: "HellaSwag", Version: "1.0", Kind: eval.MultipleChoice,
	Sources: []eval.Source{
		{Names: []string{"hellaswag/hellaswag_val.jsonl"}, Examples: "hellaswag_train.jsonl", URL: "https://github.com/rowanz/hellaswag"},
		hub("Rowan/hellaswag", "", "validation", "train"),
		{Names: []string{"hellaswag/hellaswag_val_full.txt"}, URL: "https://github.com/klosax/hellaswag_text_data"},
		{Names: []string{"hellaswag/hellaswag_val_1000.jsonl"}, URL: "https://github.com/RubriksCube/rubriks_cube", Note: "1,000 of the 10,042 items"},
	},
	Read: readHellaSwag,
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		endings := r.Texts("endings")
		for i := range endings {
			endings[i] = cleanHellaSwag(endings[i])
		}
		context := ""
		if r.Has("line") {
			context = capitalizeLast(r.Text("line"))
		} else {
			context = r.Text("activity_label") + ": " + r.Text("ctx_a") + " " + python.Capitalize(r.Text("ctx_b"))
		}
		return one(eval.Item{Requests: choices(cleanHellaSwag(context), endings), Gold: r.Int("label")})
	},
	Reports: normed,
}

var brackets = regexp.MustCompile(`\[.*?\]`)

// cleanHellaSwag takes WikiHow's marks out.
func cleanHellaSwag(text string) string {
	text = strings.ReplaceAll(python.Strip(text), " [title]", ". ")
	return strings.ReplaceAll(brackets.ReplaceAllString(text, ""), "  ", " ")
}

// readHellaSwag reads a text file too, of six lines an item: the context, the label from 0
// and four endings.
func readHellaSwag(path string) dataset.Records {
	if ingest.KindOf(path) != ingest.Text {
		return dataset.Objects(path)
	}
	return func(yield func(*dataset.Record, error) bool) {
		var item *dataset.Record
		var endings []any
		for line, err := range dataset.Lines(path) {
			if err != nil {
				yield(nil, err)
				return
			}
			switch text := line.Text("line"); {
			case item == nil:
				item, endings = line, nil
			case !item.Has("label"):
				item.Fields["label"] = text
			default:
				endings = append(endings, text)
			}
			if len(endings) < 4 {
				continue
			}
			item.Fields["endings"] = endings
			if !yield(item, nil) {
				return
			}
			item = nil
		}
		if item != nil {
			yield(nil, fmt.Errorf("%s: the item is cut short: %d endings, want 4", item.Name, len(endings)))
		}
	}
}

var sentenceEnd = regexp.MustCompile(`.*[.!?]["')]* `)

// capitalizeLast capitalizes what follows a text's last sentence, where that is its
// beginning only, which ctx_b is where there is one.
func capitalizeLast(text string) string {
	at := len(sentenceEnd.FindString(text))
	if at == 0 || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text[:at] + python.Capitalize(text[at:])
}
