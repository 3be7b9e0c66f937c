package tasks

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"mobilellm/data/ingest"
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
		{Names: []string{"wsc273/WSCollection.xml", "wsc/WSCollection.xml"}, URL: "https://cs.nyu.edu/~davise/papers/WinogradSchemas/WS.html"},
		{Names: []string{"wsc273/test.jsonl", "wsc/test.jsonl"}, URL: "https://huggingface.co/datasets/lighteval/winograd_wsc"},
		hub("lighteval/winograd_wsc", "wsc273", "test", ""),
	},
	Read: readWSC,
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

// schema is a question of the authors' collection.
type schema struct {
	Before  string   `xml:"text>txt1"`
	Pronoun string   `xml:"text>pron"`
	After   string   `xml:"text>txt2"`
	Answers []string `xml:"answers>answer"`
	Correct string   `xml:"correctAnswer"`
}

// readWSC reads the authors' collection too, of which WSC273 is the first 273 questions.
// Fields are those of Hugging Face's data set.
func readWSC(path string) dataset.Records {
	if ingest.KindOf(path) != ingest.Text {
		return dataset.Objects(path)
	}
	return func(yield func(*dataset.Record, error) bool) {
		text, err := dataset.Text(path)
		if err != nil {
			yield(nil, err)
			return
		}
		in := xml.NewDecoder(strings.NewReader(text))
		for n := 0; n < 273; {
			token, err := in.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			line, _ := in.InputPos()
			name := fmt.Sprintf("%s:%d", ingest.Clean(path), line)
			start, ok := token.(xml.StartElement)
			var s schema
			if err == nil && ok && start.Name.Local == "schema" {
				err = in.DecodeElement(&s, &start)
				n++
			} else if err == nil {
				continue
			}
			if err != nil {
				yield(nil, fmt.Errorf("%s: item %d: %w", name, n, err))
				return
			}
			if !yield(s.record(name), nil) {
				return
			}
		}
	}
}

// record has single spaces alone.
func (s schema) record(name string) *dataset.Record {
	before, pronoun := singleSpaced(s.Before), singleSpaced(s.Pronoun)
	var options []any
	for _, answer := range s.Answers {
		options = append(options, singleSpaced(answer))
	}
	at := 0
	if before != "" {
		at = utf8.RuneCountInString(before) + 1
	}
	fields := map[string]any{
		"text": python.Strip(before + " " + pronoun + " " + singleSpaced(s.After)), "pronoun": pronoun,
		"pronoun_loc": float64(at), "options": options,
	}
	if label := slices.Index([]string{"A", "B"}, strings.Trim(s.Correct, ". \t\r\n")); label >= 0 {
		fields["label"] = float64(label)
	}
	return dataset.NewRecord(name, fields)
}

func singleSpaced(text string) string {
	return strings.Join(strings.FieldsFunc(text, python.IsSpace), " ")
}
