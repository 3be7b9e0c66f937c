package eval_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/tokenizer/chat"
)

// talks are conversations with calls, n of them, and the tasks that ask for these.
func talks(t *testing.T, n int) ([]eval.Task, map[string]string) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"id": "%d", "seen": %v, "apis": [{"name": "Go", "service": "S%d", "parameters": {"type": "object", "properties": {"to": {"enum": ["a", "b"]}}}}], "messages": [{"role": "system", "content": "Go(to)"}, {"role": "user", "content": "Hi."}, {"role": "assistant", "content": "{\"role\": \"AGENT\", \"message\": \"Hello.\"}"}, {"role": "user", "content": "Go %d."}, {"role": "assistant", "content": "{\"role\": \"PARSER\", \"message\": \"Go(to = \\\"a\\\")\"}\n{\"role\": \"AGENT\", \"message\": \"Done.\"}"}]}`+"\n", i, i%2 == 0, i%3, i)
	}
	path := filepath.Join(t.TempDir(), "test.jsonl")
	if err := os.WriteFile(path, []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return []eval.Task{tasks.APICalling, tasks.ConstrainedCalling}, map[string]string{"api-calling": path, "api-calling-constrained": path}
}

func template(t *testing.T) *chat.Template {
	t.Helper()
	source, err := chat.Source("vicuna")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := chat.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// A model of drawn weights calls nothing, but for where it can do nothing else; an
// evaluation that was interrupted ends with the same results.
func TestChat(t *testing.T) {
	m := small(t)
	list, files := talks(t, 12)
	o := eval.Options{Protocol: eval.LMEval, Files: files, Template: template(t)}
	whole, err := eval.Evaluate(t.Context(), m, list, o)
	if err != nil {
		t.Fatal(err)
	}
	if r := whole[0]; r.Values[0].Value != 0 || len(r.Parts) != 5 || r.Parts[3].Name != "services seen" || r.Parts[3].N != 6 {
		t.Errorf("%+v", r)
	}
	if s := asJSON(t, whole); !strings.Contains(s, `"services unseen":{"em_intent":0,"em_intent_most_frequent":1,`) {
		t.Errorf("%s", s)
	}
	path := filepath.Join(t.TempDir(), "items.jsonl")
	for i := range 2 {
		j, err := eval.OpenJournal(path, eval.Head{Model: "some"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		o.Journal = j
		o.Progress = func(_ string, done, _ int64) {
			if done == 5 && i == 0 {
				cancel()
			}
		}
		known := j.Answers()
		results, err := eval.Evaluate(ctx, m, list, o)
		cancel()
		if closed := j.Close(); closed != nil {
			t.Fatal(closed)
		}
		if i == 0 && err == nil || i == 1 && (known == 0 || err != nil || asJSON(t, results) != asJSON(t, whole)) {
			t.Errorf("time %d: %d answers, %v", i, known, err)
		}
	}
}

// Further turns are asked with the answers before.
func TestChatTurns(t *testing.T) {
	m := small(t)
	item := eval.Item{ID: "1", Messages: []chat.Message{{Role: "user", Content: "One?"}}, Further: []string{"Two?", "Three?"}, MaxTokens: 5, Temperature: 0.7}
	answers := map[int]eval.Answer{}
	ask := func() {
		t.Helper()
		err := eval.NewScorer(m, nil).Chat(t.Context(), template(t), []eval.Item{item}, func(i int, a eval.Answer) error {
			answers[i] = a
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ask()
	first := answers[0]
	if len(first.Turns) != 3 || first.Dropped != 0 {
		t.Fatalf("%+v", first)
	}
	ask()
	if fmt.Sprint(answers[0]) != fmt.Sprint(first) {
		t.Errorf("%+v, before %+v", answers[0], first)
	}
	item.Messages[0].Content = strings.Repeat("long ", 80)
	item.Further = item.Further[:1]
	item.MaxTokens = 200
	ask()
	if a := answers[0]; len(a.Turns) != 2 || a.Dropped != 2 {
		t.Errorf("%+v", a)
	}
	item.Messages[0].Content = strings.Repeat("long ", 200)
	err := eval.NewScorer(m, nil).Chat(t.Context(), template(t), []eval.Item{item}, func(int, eval.Answer) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "item 1: the conversation has 1017 tokens, where the model's context leaves 500") {
		t.Error(err)
	}
}

// A model without a chat template is told so.
func TestChatTemplate(t *testing.T) {
	list, files := talks(t, 1)
	_, err := eval.Evaluate(t.Context(), small(t), list, eval.Options{Protocol: eval.LMEval, Files: files})
	if err == nil || !strings.Contains(err.Error(), "api-calling: the model has no chat template") {
		t.Error(err)
	}
}
