package tasks

import (
	"slices"
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// WSC273 is the Winograd Schema Challenge (Levesque et al., 2012): which of two nouns a
// pronoun stands for. The contexts are the text up to the pronoun with either noun; what
// follows the pronoun is scored, its own space and one more before it.
var WSC273 = eval.Task{
	Name: "wsc273", Title: "WSC", Version: "1.0", Kind: eval.MultipleChoice, Test: true,
	Sources: []eval.Source{
		{Names: []string{"wsc273/test.jsonl", "wsc/test.jsonl"}, URL: "https://huggingface.co/datasets/lighteval/winograd_wsc"},
		hub("lighteval/winograd_wsc", "wsc273", "test", ""),
	},
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		text := []rune(strings.ReplaceAll(r.Text("text"), "  ", " "))
		pronoun := r.Text("pronoun")
		at := r.Int("pronoun_loc") // in characters
		after := at + len([]rune(pronoun))
		options := r.Texts("options")
		if len(options) != 2 {
			r.Fail("field %q has %d texts, want 2", "options", len(options))
			return nil
		}
		if at < 0 || after > len(text) || string(text[at:after]) != pronoun {
			r.Fail("field %q is %d, where the text has no %q", "pronoun_loc", at, pronoun)
			return nil
		}
		before := make([]string, len(options))
		for i, option := range options {
			before[i] = string(text[:at]) + normalizeOption(option, pronoun, text, at)
		}
		return one(eval.Item{Requests: contexts(before, string(text[after:])), Gold: r.Int("label")})
	},
	Reports: map[eval.Protocol][]eval.Measure{eval.LMEval: {eval.Acc}, eval.Paper: {eval.Acc}},
}

// normalizeOption is a noun as it stands in a pronoun's place: with 's for a possessive
// one, its article or pronoun small but at a sentence's beginning.
func normalizeOption(option, pronoun string, text []rune, at int) string {
	if slices.Contains([]string{"my", "his", "her", "our", "their"}, python.Lower(pronoun)) {
		option += "'s"
	}
	words := strings.FieldsFunc(option, python.IsSpace)
	before := at - 2
	if before < 0 { // counted from the end, as Python does
		before += len(text)
	}
	if len(words) == 0 || text[before] == '.' || !slices.Contains(capitals, words[0]) {
		return option
	}
	return strings.ReplaceAll(option, words[0], python.Lower(words[0]))
}

var capitals = []string{"A", "An", "The", "She", "He", "It", "They", "My", "His", "Her", "Their"}
