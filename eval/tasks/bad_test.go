package tasks_test

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/eval"
)

// write makes a file of a text, packed if its name says so.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const arcRecord = `{"id": "a", "question": "Q?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "A"}` + "\n"

// TestBadInput has what is wrong with a file told by file, line and item.
func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		name, task, text string
		want             []string
	}{
		{"wrong label", "arc_easy", arcRecord + strings.Replace(arcRecord, `"A"}`, `"E"}`, 1), []string{":2: item 1:", `field "answerKey" is "E", none of ["A" "B"]`}},
		{"missing label", "arc_easy", arcRecord + strings.Replace(arcRecord, `, "answerKey": "A"`, "", 1), []string{":2: item 1:", `no field "answerKey", there is choices, id, question`}},
		{"empty label", "hellaswag", `{"activity_label": "a", "ctx_a": "b", "ctx_b": "c", "endings": ["d", "e"], "label": ""}`, []string{":1: item 0:", `field "label" is no whole number: ""`}},
		{"label beyond the choices", "boolq", `{"passage": "p", "question": "q", "label": 2}`, []string{":1: item 0:", "the right choice is number 2, there are 2 from 0"}},
		{"label that is no number", "boolq", `{"passage": "p", "question": "q", "label": 0.5}`, []string{":1: item 0:", `field "label" is no whole number: 0.5`}},
		{"label below the first", "social_iqa", `{"context": "c", "question": "q", "answerA": "a", "answerB": "b", "answerC": "c", "label": "0"}`, []string{":1: item 0:", "the right choice is number -1"}},
		{"null label", "boolq", `{"passage": "p", "question": "q", "label": null}`, []string{":1: item 0:", `no field "label"`}},
		{"missing field", "piqa", `{"goal": "g", "sol1": "a", "sol2": "b", "label": 0}` + "\n" + `{"goal": "g", "sol1": "a", "label": 0}`, []string{":2: item 1:", `no field "sol2"`}},
		{"field of another type", "piqa", `{"goal": 5, "sol1": "a", "sol2": "b", "label": 0}`, []string{":1: item 0:", `field "goal" is no string: 5`}},
		{"one choice", "arc_easy", `{"id": "a", "question": "Q?", "choices": {"text": ["x"], "label": ["A"]}, "answerKey": "A"}`, []string{":1: item 0:", "choices: 1, want 2 at least"}},
		{"more labels than choices", "arc_easy", `{"id": "a", "question": "Q?", "choices": {"text": ["x"], "label": ["A", "B"]}, "answerKey": "A"}`, []string{":1: item 0:", "choices: 1, labels: 2"}},
		{"empty choice", "piqa", `{"goal": "g", "sol1": "a", "sol2": " ", "label": 0}`, []string{":1: item 0:", "the continuation of choice 1 is empty"}},
		{"nothing after the blank", "winogrande", `{"sentence": "The one is _", "option1": "a", "option2": "b", "answer": "1"}`, []string{":1: item 0:", "the continuation of choice 0 is empty"}},
		{"no blank", "winogrande", `{"sentence": "The one is it.", "option1": "a", "option2": "b", "answer": "1"}`, []string{":1: item 0:", "has no blank _"}},
		{"unscored split", "winogrande", `{"sentence": "The one is _.", "option1": "a", "option2": "b", "answer": ""}`, []string{":1: item 0:", `field "answer" is no whole number: ""`}},
		{"empty last word", "lambada_openai", `{"text": "a b "}`, []string{":1: item 0:", "the continuation is empty"}},
		{"no answer", "triviaqa", `{"question": "q", "answer": {"aliases": []}}`, []string{":1: item 0:", "no answer"}},
		{"no prompt of a question", "triviaqa", `{"context": "Who?", "aliases": ["a"]}`, []string{":1: item 0:", `field "context" is no question`}},
		{"another task's file", "piqa", arcRecord, []string{":1: item 0:", `no field "goal"`, "hint: is it a file of task piqa?"}},
		{"another task's file for RACE", "race", arcRecord, []string{":1: item 0:", `no field "questions"`, "hint: is it a file of task race?"}},
		{"questions without answers", "race", `{"article": "a", "questions": ["q", "r"], "options": [["a", "b", "c", "d"]], "answers": ["A"]}`, []string{":1: item 0:", "questions: 2, answers: 1, options: 1"}},
		{"answer beyond D", "race", `{"article": "a", "questions": ["q"], "options": [["a", "b", "c", "d"]], "answers": ["E"]}`, []string{":1: item 0:", `question 0: answer "E" of 4 options`}},
		{"two answers", "race", `{"article": "a", "questions": ["q"], "options": [["a", "b", "c", "d"]], "answers": ["AB"]}`, []string{":1: item 0:", `answer "AB"`}},
		{"options that are no lists", "race", `{"article": "a", "questions": ["q"], "options": ["a"], "answers": ["A"]}`, []string{":1: item 0:", `field "options" is no list: a`}},
		{"broken literal", "race", `{"article": "a", "problems": "[{'question'"}`, []string{":1: item 0:", `field "problems": broken Python literal`}},
		{"unknown connector", "copa", `{"premise": "p.", "choice1": "a", "choice2": "b", "question": "why", "label": 0}`, []string{":1: item 0:", `field "question" is "why", want cause or effect`}},
		{"pronoun elsewhere", "wsc273", `{"text": "It is he.", "pronoun": "he", "pronoun_loc": 1, "options": ["a", "b"], "label": 0}`, []string{":1: item 0:", `field "pronoun_loc" is 1, where the text has no "he"`}},
		{"broken JSON", "arc_easy", arcRecord + `{"id": "b", `, []string{":2: item 1:", "broken JSON"}},
		{"no object", "arc_easy", arcRecord + `["a"]`, []string{":2: item 1:", "no object"}},
		{"broken UTF-8", "arc_easy", arcRecord + "{\"id\": \"\xff\"}", []string{":2: item 1:", "broken UTF-8"}},
		{"a text for a table", "arc_easy", "Question: what?\n", []string{":1: item 0:", "broken JSON"}},
		{"another task's file for WikiText-2", "wikitext2", arcRecord, []string{":1: ", `no field "text"`, "hint: is it a file of task wikitext2?"}},
		{"no items", "arc_easy", "\n", []string{"no items of task arc_easy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "test.jsonl")
			write(t, file, c.text)
			refused(t, c.task, file, c.want...)
		})
	}
}

// refused wants an error that names the file too.
func refused(t *testing.T, task, file string, want ...string) {
	t.Helper()
	items, err := get(t, task).Items(t.Context(), file, eval.LMEval)
	if err == nil {
		t.Fatalf("read as %+v", items)
	}
	for _, text := range append(want, filepath.Base(filepath.Dir(file))) {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func TestBadLabels(t *testing.T) {
	const records = `{"goal": "g", "sol1": "a", "sol2": "b"}` + "\n" + `{"goal": "g", "sol1": "a", "sol2": "b"}` + "\n"
	for name, c := range map[string]struct{ labels, want string }{
		"too few":  {"0\n", "valid.jsonl:2: no label for it in"},
		"too many": {"0\n1\n0\n", "valid-labels.lst:3: a label beyond the last record of"},
		"wrong":    {"0\n5\n", "valid.jsonl:2: item 1: the right choice is number 5"},
		"no label": {"0\nB\n", `valid.jsonl:2: item 1: field "label" is no whole number: "B"`},
		"none":     {"", `valid-labels.lst, there is goal, sol1, sol2`},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			file := filepath.Join(folder, "valid.jsonl")
			write(t, file, records)
			if c.labels != "" {
				write(t, filepath.Join(folder, "valid-labels.lst"), c.labels)
			}
			refused(t, "piqa", file, c.want)
		})
	}
}

func TestCutShort(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 { // more than is read ahead
		if _, err := z.Write([]byte(strings.Replace(arcRecord, "Q?", strings.Repeat(string(rune('a'+random.IntN(26))), 1+random.IntN(90)), 1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.jsonl.gz")
	write(t, file, packed.String()[:packed.Len()/2])
	refused(t, "arc_easy", file, "test.jsonl.gz: the gzip file is cut short")
	write(t, file, packed.String()[:5])
	refused(t, "arc_easy", file, "test.jsonl.gz: the gzip file is cut short")

	text := filepath.Join(t.TempDir(), "val.txt")
	write(t, text, "Sports: a man runs. he\n0\nfalls.\nstops.\n")
	refused(t, "hellaswag", text, "val.txt:1: the item is cut short: 2 endings, want 4")

	table, err := os.ReadFile("testdata/hub/arc_easy.parquet")
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(t.TempDir(), "test.parquet")
	write(t, half, string(table[:len(table)/2]))
	refused(t, "arc_easy", half, "broken parquet file")
}

func TestTooFewExamples(t *testing.T) {
	file := filepath.Join(t.TempDir(), "validation.jsonl")
	write(t, file, strings.Repeat(`{"question": "q", "answer": {"aliases": ["a"]}}`+"\n", 3))
	refused(t, "triviaqa_5shot", file, "3 examples, too few to draw 6")
}

func TestNoSuchProtocol(t *testing.T) {
	if _, err := get(t, "race").Items(t.Context(), "testdata/records/race.jsonl", eval.Paper); err == nil || !strings.Contains(err.Error(), `task race has no protocol "paper"`) {
		t.Error(err)
	}
}
