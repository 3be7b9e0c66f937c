package tasks

import (
	"strconv"
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// RACE are English exams of Chinese schools (Lai et al., 2017): several questions on an
// article, of four choices. The harness asks the last of each article of the high-school
// part, after the others with their answers.
var RACE = eval.Task{
	Name: "race", Title: "RACE", Version: "3.0", Kind: eval.MultipleChoice, Test: true,
	Sources: raceSources("high"),
	Read:    readRACE,
	Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item {
		items := raceItems(r)
		if len(items) == 0 {
			return nil
		}
		return items[len(items)-1:]
	},
	Reports: map[eval.Protocol][]eval.Measure{eval.LMEval: {eval.Acc}},
}

// RACEMiddle and RACEHigh ask every question, each after those before it with their
// answers: the paper's Table 8 has both parts. Of an article's last question it is the
// harness's prompt.
var (
	RACEMiddle = race("middle", "RACE-m")
	RACEHigh   = race("high", "RACE-h")
)

func race(part, title string) eval.Task {
	return eval.Task{
		Name: "race_" + part, Title: title, Version: "3.0", Kind: eval.MultipleChoice, Test: true,
		Sources:   raceSources(part),
		Read:      readRACE,
		Questions: func(r *dataset.Record, _ eval.Protocol) []eval.Item { return raceItems(r) },
		Reports:   plain,
	}
}

func raceSources(part string) []eval.Source {
	return []eval.Source{
		{Names: []string{"RACE/test/" + part, "race/test_" + part + ".jsonl"}, URL: "https://www.cs.cmu.edu/~glai1/data/race"},
		hub("EleutherAI/race", part, "test", ""),
		hub("ehovy/race", part, "test", ""),
	}
}

// raceItems are the questions of an article.
func raceItems(r *dataset.Record) []eval.Item {
	questions, answers, article := r.Texts("questions"), r.Texts("answers"), r.Text("article")
	options := lists(r, "options")
	if len(questions) == 0 || len(answers) != len(questions) || len(options) != len(questions) {
		r.Fail("questions: %d, answers: %d, options: %d, want as many", len(questions), len(answers), len(options))
		return nil
	}
	items := make([]eval.Item, len(questions))
	before := "Article: " + article + "\n\n"
	for i, question := range questions {
		gold := strings.Index("ABCD", answers[i])
		if len(options[i]) != 4 || gold < 0 || len(answers[i]) != 1 {
			r.Fail("question %d: answer %q of %d options, want one of A to D of 4", i, answers[i], len(options[i]))
			return nil
		}
		items[i] = eval.Item{Requests: choices(before+question, options[i]), Gold: gold}
		if name := id(r, "id"); name != "" {
			items[i].ID = name + "/" + strconv.Itoa(i)
		}
		before += raceAnswered(question, options[i][gold])
	}
	return items
}

// raceAnswered is an earlier question with its answer, which fills a blank at the end.
func raceAnswered(question, answer string) string {
	if rest, ok := strings.CutSuffix(question, " _  ."); ok && strings.HasSuffix(rest, " ") {
		return rest + answer + "\n"
	}
	return "Question: " + question + "\nAnswer: " + answer + "\n"
}

// lists is a field that is a list of lists of strings.
func lists(r *dataset.Record, name string) [][]string {
	var all [][]string
	for _, inner := range r.List(name) {
		list := dataset.NewRecord(r.Name, map[string]any{name: inner})
		all = append(all, list.Texts(name))
		if err := list.Err(); err != nil {
			r.Fail("%w", err)
		}
	}
	return all
}

// readRACE gives articles with their questions, also of Hugging Face's data sets: one has
// a row a question, the other the questions as a Python literal.
func readRACE(path string) dataset.Records {
	return func(yield func(*dataset.Record, error) bool) {
		var article *dataset.Record // of rows so far
		for r, err := range dataset.Objects(path) {
			switch {
			case err != nil:
				yield(nil, err)
				return
			case r.Has("example_id"):
				if article != nil && article.Fields["id"] == r.Fields["example_id"] && article.Fields["article"] == r.Fields["article"] {
					addQuestion(article, r)
					continue
				}
				if article != nil && !yield(article, nil) {
					return
				}
				article = dataset.NewRecord(r.Name, map[string]any{"id": r.Fields["example_id"], "article": r.Fields["article"]})
				addQuestion(article, r)
				continue
			case r.Has("problems"):
				unpackProblems(r)
			}
			if !yield(r, nil) {
				return
			}
		}
		if article != nil {
			yield(article, nil)
		}
	}
}

// addQuestion adds a row's question to its article.
func addQuestion(article, r *dataset.Record) {
	for _, name := range []string{"question", "answer", "options"} {
		list, _ := article.Fields[plural[name]].([]any)
		article.Fields[plural[name]] = append(list, r.Fields[name])
	}
}

// plural are the names of RACE's own fields, by those of a single question.
var plural = map[string]string{"question": "questions", "answer": "answers", "options": "options"}

// unpackProblems makes RACE's own fields of a literal.
func unpackProblems(r *dataset.Record) {
	problems, err := python.Literal(r.Text("problems"))
	if err != nil {
		r.Fail("field %q: %w", "problems", err)
		return
	}
	r.Fields["problems"] = problems
	for _, problem := range r.Objects("problems") {
		addQuestion(r, problem)
	}
}
