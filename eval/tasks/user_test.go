package tasks_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mobilellm/eval"
	"mobilellm/eval/tasks"
)

func TestFromFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		kind eval.Kind
		want []eval.Item
	}{
		"continuation": {
			`{"context": "The capital of France is", "continuation": "Paris"}` + "\n" + `{"id": "no space", "context": "x\n", "continuation": "y"}` + "\n" + `{"context": "", "continuation": "z"}`,
			eval.LogLikelihood,
			[]eval.Item{
				{ID: "0", Requests: []eval.Request{{Context: "The capital of France is", Continuation: " Paris", Choice: "Paris"}}},
				{ID: "no space", Requests: []eval.Request{{Context: "x\n", Continuation: "y", Choice: "y"}}},
				{ID: "2", Requests: []eval.Request{{Continuation: "z", Choice: "z"}}},
			},
		},
		"choices": {
			`{"query": "Predators eat", "choices": ["lions", " bunnies"], "gold": 1}`,
			eval.MultipleChoice,
			[]eval.Item{{ID: "0", Gold: 1, Requests: []eval.Request{
				{Context: "Predators eat", Continuation: " lions", Choice: "lions"},
				{Context: "Predators eat", Continuation: " bunnies", Choice: " bunnies"},
			}}},
		},
		"contexts": {
			`{"context_options": ["Ann ran since Ann", "Ann ran since Bob"], "continuation": "was late", "gold": 0}`,
			eval.MultipleChoice,
			[]eval.Item{{ID: "0", Requests: []eval.Request{
				{Context: "Ann ran since Ann", Continuation: " was late", Choice: "was late"},
				{Context: "Ann ran since Bob", Continuation: " was late", Choice: "was late"},
			}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "own.jsonl")
			write(t, file, c.text)
			task, err := tasks.FromFile("own", file)
			if err != nil {
				t.Fatal(err)
			}
			if task.Name != "own" || task.Kind != c.kind {
				t.Errorf("task %s of kind %s", task.Name, task.Kind)
			}
			for _, p := range []eval.Protocol{eval.LMEval, eval.Paper} {
				if got := items(t, task, file, p); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%+v, want\n%+v", got, c.want)
				}
			}
		})
	}
}

func TestBadFromFile(t *testing.T) {
	for text, want := range map[string]string{
		`{"question": "q"}`: "own.jsonl:1: item 0: none of the fields context_options, query and context",
		"\n":                "no items",
		`{"query": "q", "choices": ["a", "b"], "gold": 0}` + "\n" + `{"query": "q", "choices": ["a", "b"], "gold": "b"}`: `own.jsonl:2: item 1: field "gold" is no whole number: "b"`,
		`{"query": "q", "choices": ["a"], "gold": 0}`:                                                                    "own.jsonl:1: item 0: choices: 1, want 2 at least",
		`{"query": "q", "choices": ["a", ""], "gold": 0}`:                                                                "own.jsonl:1: item 0: the continuation of choice 1 is empty",
		`{"query": "q", "choices": "a", "gold": 0}`:                                                                      `own.jsonl:1: item 0: field "choices" is no list: a`,
		`{"context": "c", "continuation": ""}`:                                                                           "own.jsonl:1: item 0: the continuation is empty",
		`{"context_options": ["a", "b"], "continuation": "c"}`:                                                           `own.jsonl:1: item 0: no field "gold"`,
	} {
		file := filepath.Join(t.TempDir(), "own.jsonl")
		write(t, file, text)
		task, err := tasks.FromFile("own", file)
		if err == nil {
			_, err = task.Items(t.Context(), file, eval.LMEval)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
