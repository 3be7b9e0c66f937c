package tasks_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/tasks"
)

// logged is an item as lm-evaluation-harness logged it.
type logged struct {
	Contexts      []string  `json:"contexts"` // one where all are equal
	Continuations []string  `json:"continuations"`
	Gold          int       `json:"gold"`
	LogProbs      []float64 `json:"logprobs"` // of its dummy model
	Acc           *float64  `json:"acc"`
	AccNorm       *float64  `json:"acc_norm"`
	Until         []string  `json:"until"`
	Answers       []string  `json:"answers"`
	Words         int       `json:"words"`
	Bytes         int       `json:"bytes"`
	SHA256        string    `json:"sha256"` // of the context
	End           string    `json:"end"`    // its last characters
}

// readGolden reads a JSON line a value.
func readGolden[T any](t *testing.T, name string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for line := range strings.Lines(string(text)) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, name string) eval.Task {
	t.Helper()
	got, err := tasks.Get(name)
	if err != nil || len(got) != 1 {
		t.Fatalf("task %s: %d of them, %v", name, len(got), err)
	}
	return got[0]
}

func items(t *testing.T, task eval.Task, file string, p eval.Protocol) []eval.Item {
	t.Helper()
	all, err := task.Items(t.Context(), file, p)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var names = []string{
	"arc_easy", "arc_challenge", "boolq", "piqa", "social_iqa", "hellaswag", "openbookqa", "winogrande",
	"race", "triviaqa", "wikitext2", "lambada_openai", "copa", "wsc273",
}

// TestPromptsOfHarness compares with the harness's own, from both forms of the records.
func TestPromptsOfHarness(t *testing.T) {
	for _, name := range names {
		files := []string{"records/" + name + ".jsonl", "hub/" + name + ".parquet"}
		if name == "wikitext2" {
			files[0] = "records/wiki.test.raw"
		}
		for _, file := range files {
			t.Run(file, func(t *testing.T) {
				want := readGolden[logged](t, "golden/"+name+".jsonl")
				got := items(t, get(t, name), filepath.Join("testdata", file), eval.LMEval)
				if len(got) != len(want) {
					t.Fatalf("%d items, want %d", len(got), len(want))
				}
				for i := range want {
					compare(t, i, got[i], want[i])
				}
			})
		}
	}
}

func compare(t *testing.T, i int, got eval.Item, want logged) {
	t.Helper()
	if want.Until != nil { // generated
		if got.Requests[0].Context != want.Contexts[0] || !slices.Equal(got.Until, want.Until) || !slices.Equal(got.Answers, want.Answers) {
			t.Fatalf("item %d:\n%+v, want\n%+v", i, got, want)
		}
		return
	}
	if len(got.Requests) != len(want.Continuations) || got.Gold != want.Gold || got.Words != want.Words || got.Bytes != want.Bytes {
		t.Fatalf("item %d:\n%+v, want\n%+v", i, got, want)
	}
	for j, r := range got.Requests {
		context := ""
		if len(want.Contexts) > 0 {
			context = want.Contexts[j%len(want.Contexts)]
		}
		if r.Context != context {
			t.Errorf("item %d, context %d:\n%q, want\n%q", i, j, r.Context, context)
		}
		if r.Continuation != want.Continuations[j] {
			t.Errorf("item %d, continuation %d:\n%q, want\n%q", i, j, r.Continuation, want.Continuations[j])
		}
	}
}

// TestMeasuresOfHarness makes the harness's measures of its dummy's log-likelihoods.
func TestMeasuresOfHarness(t *testing.T) {
	for _, name := range names {
		want := readGolden[logged](t, "golden/"+name+".jsonl")
		if len(want[0].LogProbs) == 0 {
			continue
		}
		got := items(t, get(t, name), filepath.Join("testdata/hub", name+".parquet"), eval.LMEval)
		var answers []eval.Answer
		compared := 0
		for i, item := range want {
			var answer eval.Answer
			for _, p := range item.LogProbs {
				answer.Scores = append(answer.Scores, eval.Score{LogProb: p})
			}
			answers = append(answers, answer)
			for _, m := range []struct {
				measure eval.Measure
				want    *float64
			}{{eval.Acc, item.Acc}, {eval.AccNorm, item.AccNorm}} {
				if m.want == nil {
					continue
				}
				compared++
				if v := m.measure.Item(got[i], answer); v != *m.want {
					t.Errorf("%s, item %d: %s %v, want %v", name, i, m.measure.Name, v, *m.want)
				}
			}
		}
		if name != "lambada_openai" {
			if compared < len(want) {
				t.Errorf("%s: %d measures compared", name, compared)
			}
			continue
		}
		var totals struct{ Perplexity float64 }
		readJSON(t, "golden/lambada_openai.totals.json", &totals)
		if v := eval.Perplexity.Total(got, answers); math.Abs(v/totals.Perplexity-1) > 1e-12 {
			t.Errorf("%s: perplexity %v, want %v", name, v, totals.Perplexity)
		}
	}
}

// TestShotsOfHarness compares the examples before questions, from a training split and
// from the scored records themselves.
func TestShotsOfHarness(t *testing.T) {
	for name, counts := range map[string][]int{"triviaqa": {1, 5, 64}, "arc_easy": {2}, "boolq": {2}, "winogrande": {2}} {
		for _, k := range counts {
			task := get(t, name).WithShots(k)
			want := readGolden[logged](t, "golden/"+task.Name+".jsonl")
			for i, item := range items(t, task, "testdata/shots/"+name+"/scored.jsonl", eval.LMEval) {
				if len(item.Shots) != k {
					t.Fatalf("%s, item %d: %d shots", task.Name, i, len(item.Shots))
				}
				for _, r := range item.Requests {
					context := strings.Join(item.Shots, "") + r.Context
					if sum(context) != want[0].SHA256 {
						t.Errorf("%s, item %d: another context:\n%s\nwant one that ends in\n%s", task.Name, i, context, want[0].End)
					}
					want = want[1:]
				}
			}
			if len(want) > 0 {
				t.Errorf("%s: %d contexts more", task.Name, len(want))
			}
		}
	}
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// TestAllPrompts compares a hash of all prompts of the whole data sets with the harness's.
func TestAllPrompts(t *testing.T) {
	if _, err := os.Stat(sharedData); err != nil {
		t.Skip("no data sets in ../shared")
	}
	var want map[string]string
	readJSON(t, "all.json", &want)
	for name, wanted := range want {
		task := get(t, name)
		file, ok := task.File(sharedData)
		if name == "hellaswag" { // the whole set is there without all that the prompts need
			file = filepath.Join(sharedData, "hellaswag/hellaswag_val_1000.jsonl.gz")
		}
		if !ok {
			t.Fatalf("%s is missing", name)
		}
		h := sha256.New()
		for _, item := range items(t, task, file, eval.LMEval) {
			addItem(h, task, item)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != wanted {
			t.Errorf("%s: the prompts' hash is %s, want %s", name, got, wanted)
		}
	}
}

// addItem hashes an item as harness.py does.
func addItem(h hash.Hash, task eval.Task, item eval.Item) {
	for _, r := range item.Requests {
		text := r.Continuation
		if task.Kind == eval.Generation {
			text = ""
		}
		fmt.Fprintf(h, "%s%s\x00%s\x00", strings.Join(item.Shots, ""), r.Context, text)
	}
	fmt.Fprintf(h, "%d\n", item.Gold)
}

// TestHellaSwagText finds contexts of the text file as the harness puts them.
func TestHellaSwagText(t *testing.T) {
	if _, err := os.Stat(sharedData); err != nil {
		t.Skip("no data sets in ../shared")
	}
	task := get(t, "hellaswag")
	whole := make(map[string]eval.Item)
	for _, item := range items(t, task, filepath.Join(sharedData, "hellaswag/hellaswag_val_full.txt.bz2"), eval.LMEval) {
		whole[item.Requests[item.Gold].Context] = item
	}
	same := 0
	some := items(t, task, filepath.Join(sharedData, "hellaswag/hellaswag_val_1000.jsonl.gz"), eval.LMEval)
	for _, item := range some {
		if _, ok := whole[item.Requests[0].Context]; ok {
			same++
		} else {
			t.Logf("%q", item.Requests[0].Context)
		}
	}
	if same != len(some) {
		t.Errorf("%d of %d contexts are in the text file", same, len(some))
	}
}

// TestRACEEveryQuestion has the harness's prompts for each article's last question.
func TestRACEEveryQuestion(t *testing.T) {
	want := readGolden[logged](t, "golden/race.jsonl")
	got := items(t, get(t, "race_high"), "testdata/records/race.jsonl", eval.Paper)
	i := 0
	for r, err := range dataset.Objects("testdata/records/race.jsonl") {
		if err != nil {
			t.Fatal(err)
		}
		i += len(r.Texts("questions"))
		compare(t, i-1, got[i-1], want[0])
		want = want[1:]
	}
	if i != len(got) {
		t.Errorf("%d items, want %d", len(got), i)
	}
}
