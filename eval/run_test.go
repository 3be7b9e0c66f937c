package eval_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/infer"
	"mobilellm/tokenizer"
)

// small is a model over bytes of drawn weights, as a training loop would give them.
func small(t *testing.T) *infer.Model {
	t.Helper()
	c := arch.Config{
		VocabSize: 257, Layers: 1, Dim: 16, Heads: 2, KVHeads: 1, FFN: arch.SwiGLU, FFNDim: 32, Context: 700, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02,
	}.Resolved()
	dev := cpu.New(cpu.Options{Workers: 2})
	t.Cleanup(dev.Close)
	m, err := infer.New(c, tokenizer.Bytes(), dev, eval.LoadOptions(infer.LoadOptions{}), func(name string, dst []float32, _ []int) error {
		r := rand.New(rand.NewPCG(uint64(len(name)), uint64(len(dst))))
		for i := range dst {
			dst[i] = float32(0.3 * r.NormFloat64())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// choices is a file of questions and their task.
func choices(t *testing.T, n int) ([]eval.Task, map[string]string) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "{\"query\": \"Number %d is\", \"choices\": [\"odd\", \"even\", \"neither of them\"], \"gold\": %d}\n", i, i%3)
	}
	path := filepath.Join(t.TempDir(), "numbers.jsonl")
	if err := os.WriteFile(path, []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	task, err := tasks.FromFile("numbers", path)
	if err != nil {
		t.Fatal(err)
	}
	return []eval.Task{task}, map[string]string{"numbers": path}
}

// asJSON is what results say.
func asJSON(t *testing.T, results []eval.Result) string {
	t.Helper()
	raw, err := json.Marshal(results)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// An evaluation that was interrupted, at any answer and in the middle of a line, goes on
// where it was, and gives the same results to the bit.
func TestJournal(t *testing.T) {
	m := small(t)
	list, files := choices(t, 200)
	o := eval.Options{Protocol: eval.LMEval, Files: files}
	whole, err := eval.Evaluate(t.Context(), m, list, o)
	if err != nil {
		t.Fatal(err)
	}
	want := asJSON(t, whole)
	path := filepath.Join(t.TempDir(), "items.jsonl")
	head := eval.Head{Model: "some", Precision: "float32"}
	counts := []int{}
	for i := 0; ; i++ {
		j, err := eval.OpenJournal(path, head)
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, j.Answers())
		ctx, cancel := context.WithCancel(t.Context())
		o.Journal = j
		o.Progress = func(_ string, done, total int64) {
			if 3*done >= total && i < 2 {
				cancel()
			}
		}
		results, err := eval.Evaluate(ctx, m, list, o)
		cancel()
		if closed := j.Close(); closed != nil {
			t.Fatal(closed)
		}
		if err == nil {
			if got := asJSON(t, results); got != want {
				t.Errorf("after interruptions %s, want %s", got, want)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()-10); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.IsSorted(counts) || len(counts) != 3 || counts[1] == 0 || counts[1] == counts[2] {
		t.Errorf("the journal had %v answers", counts)
	}
	raw, err := os.ReadFile(path)
	if n := strings.Count(string(raw), "\n"); err != nil || n != 201 {
		t.Errorf("the journal has %d lines, want a head and 200 answers", n)
	}

	// A question that changed is asked again; answers of another model are refused.
	again, other := choices(t, 200)
	changed, err := os.ReadFile(other["numbers"])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other["numbers"], []byte(strings.Replace(string(changed), "odd", "ODD", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	j, err := eval.OpenJournal(path, head)
	if err != nil {
		t.Fatal(err)
	}
	asked := false
	_, err = eval.Evaluate(t.Context(), m, again, eval.Options{
		Protocol: eval.LMEval, Files: other, Journal: j,
		Progress: func(string, int64, int64) { asked = true },
	})
	if err := errors.Join(err, j.Close()); err != nil || !asked {
		t.Errorf("the changed question was asked: %v, %v", asked, err)
	}
	head.Model = "another"
	if _, err := eval.OpenJournal(path, head); err == nil || !strings.Contains(err.Error(), "its answers were made otherwise: model some, now another\nhint: name another file") {
		t.Errorf("a journal of another model: %v", err)
	}
	for content, want := range map[string]string{
		"hello\n": "is no file of answers", "hello": "is no file of answers", `{"results":[]}` + "\n": "is no file of answers",
		`{"model": "x"}` + "\n":                                 "model x, now another; precision , now float32",
		`{"model":"another","precision":"float32"}` + "\n{}x\n": `line 2 is no answer: it must name protocol ("")`,
		`{"model":"another","precision":"float32"}` + "\n" + `{"protocol":"paper","task":"x","item":-1}` + "\n": `task ("x"), hash ("") and item (-1)`,
		`{"model":"another","precision":"float32"}` + "\n[]\n":                                                  "line 2 is no answer: json",
	} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := eval.OpenJournal(bad, head); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", content, err, want)
		}
		if raw, err := os.ReadFile(bad); err != nil || string(raw) != content {
			t.Errorf("a file that is refused was changed to %q", raw)
		}
	}
}

// asking is an evaluation by protocols, with a journal or none, and how many tokens each
// task put. It is interrupted when so many of a task's tokens are computed, -1 for never.
func asking(t *testing.T, m *infer.Model, list []eval.Task, journal string, until int64, protocols ...eval.Protocol) (string, map[string]int64, error) {
	t.Helper()
	put := map[string]int64{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := eval.Options{Files: map[string]string{}, Progress: func(task string, done, total int64) {
		if done == 0 {
			put[task] += total
		}
		if until >= 0 && done >= until {
			cancel()
		}
	}}
	var samples []eval.Sample
	for _, p := range protocols {
		o.Protocol = p
		for _, task := range list {
			o.Files[task.Name] = filepath.Join("tasks/testdata/hub", task.Name+".parquet")
		}
		drawn, err := eval.Draw(ctx, list, o)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, drawn...)
	}
	if journal != "" {
		j, err := eval.OpenJournal(journal, eval.Head{Model: "some", Precision: "float32"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		}()
		o.Journal = j
	}
	results, err := eval.Ask(ctx, m, samples, o)
	return asJSON(t, results), put, err
}

// By both protocols each question is put once, and has the results of either protocol
// alone; what comes after a prior is put once for all questions that share it. A journal of
// one protocol serves the other, also one whose head names the protocol for all lines.
func TestProtocols(t *testing.T) {
	m := small(t)
	list := []eval.Task{tasks.PIQA, tasks.OpenBookQA, tasks.BoolQ}
	alone, plain, err := asking(t, m, list, "", -1, eval.LMEval)
	if err != nil {
		t.Fatal(err)
	}
	paper, priors, err := asking(t, m, list, "", -1, eval.Paper)
	if err != nil {
		t.Fatal(err)
	}
	const boolQPrior = int64(len("<eot>") - 4 + len("Answer:") + len(" no") - 1 + len("yes") - 1)
	if plain["piqa"] != priors["piqa"] || plain["openbookqa"] >= priors["openbookqa"] || priors["boolq"]-plain["boolq"] != boolQPrior {
		t.Errorf("lm-eval puts %v tokens, paper %v", plain, priors)
	}
	want := strings.TrimSuffix(alone, "]") + "," + strings.TrimPrefix(paper, "[")
	both, put, err := asking(t, m, list, "", -1, eval.LMEval, eval.Paper)
	if err != nil || both != want || !maps.Equal(put, priors) {
		t.Errorf("both: %v tokens, %v\n%s, want %v\n%s", put, err, both, priors, want)
	}

	path := filepath.Join(t.TempDir(), "items.jsonl")
	if _, _, err = asking(t, m, list, path, -1, eval.LMEval); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(strings.ReplaceAll(string(raw), `"protocol":"lm-eval",`, ""), `{"model":"some",`, `{"model":"some","protocol":"lm-eval",`, 1)
	if err := os.WriteFile(path, []byte(old), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err = asking(t, m, list, path, 100, eval.LMEval, eval.Paper); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	both, put, err = asking(t, m, list, path, -1, eval.LMEval, eval.Paper)
	if err != nil || both != want || put["piqa"] != 0 || put["openbookqa"] > priors["openbookqa"]-plain["openbookqa"] || put["boolq"] != boolQPrior {
		t.Errorf("after lm-eval: %v tokens, %v\n%s, want %s", put, err, both, want)
	}
	_, lines, err := eval.ReadAnswers(path)
	if err != nil || len(lines) != 2*3*20 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	for _, l := range lines {
		if l.Task != "boolq" || l.Protocol != eval.Paper {
			continue
		}
		item := eval.Item{Requests: []eval.Request{{Context: "Answer:", Continuation: " no"}, {Context: "Answer:", Continuation: " yes"}}}
		if err := eval.NewScorer(m, nil).Score(t.Context(), []eval.Item{item}, func(_ int, a eval.Answer) error {
			for i, s := range a.Scores {
				if got := float64(l.Requests[i].Prior); got != s.LogProb {
					t.Errorf("the prior of choice %d is %v, want %v", i, got, s.LogProb)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		break
	}

	path = filepath.Join(t.TempDir(), "items.jsonl")
	if _, _, err = asking(t, m, list, path, -1, eval.Paper); err != nil {
		t.Fatal(err)
	}
	if got, put, err := asking(t, m, list, path, 0, eval.LMEval); err != nil || got != alone || len(put) > 0 {
		t.Errorf("after paper: %v tokens, %v\n%s, want %s", put, err, got, alone)
	}
}

// A subset depends on the seed alone, and larger ones hold smaller ones.
func TestLimit(t *testing.T) {
	list, files := choices(t, 30)
	draw := func(limit int, seed uint64) []int {
		t.Helper()
		s, err := eval.Draw(t.Context(), list, eval.Options{Protocol: eval.LMEval, Files: files, Limit: limit, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if s[0].Of != 30 || len(s[0].Items) != len(s[0].Index) || !slices.IsSorted(s[0].Index) {
			t.Errorf("%d questions of %d, in order %v", len(s[0].Items), s[0].Of, s[0].Index)
		}
		return s[0].Index
	}
	few, more := draw(5, 1), draw(10, 1)
	if !slices.Equal(few, draw(5, 1)) || slices.Equal(few, draw(5, 2)) || len(draw(100, 1)) != 30 || len(draw(0, 1)) != 30 {
		t.Error("a subset does not depend on seed and limit alone")
	}
	for _, i := range few {
		if !slices.Contains(more, i) {
			t.Errorf("question %d is in the subset of 5, not in that of 10", i)
		}
	}
	_, err := eval.Draw(t.Context(), []eval.Task{tasks.PIQA}, eval.Options{Protocol: eval.LMEval, DataDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "piqa: its files are not in") {
		t.Errorf("without files: %v", err)
	}
}

// Values and standard errors of known answers: of n zeros and ones with mean p the
// sample's deviation over √n is √(p(1−p)/(n−1)).
func TestResult(t *testing.T) {
	m := small(t)
	list, files := choices(t, 30)
	results, err := eval.Evaluate(t.Context(), m, list, eval.Options{Protocol: eval.LMEval, Files: files, Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if r.N != 20 || r.Of != 30 || len(r.Values) != 2 || r.Values[0].Name != "acc" || r.Values[1].Name != "acc_norm" {
		t.Fatalf("result %+v", r)
	}
	for _, v := range r.Values {
		if want := math.Sqrt(v.Value * (1 - v.Value) / 19); math.Abs(v.StdErr-want) > 1e-12 {
			t.Errorf("%s %v ± %v, want ± %v", v.Name, v.Value, v.StdErr, want)
		}
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(asJSON(t, results)), &[]*map[string]any{&object}); err != nil {
		t.Fatal(err)
	}
	if object["acc"] != r.Values[0].Value || object["stderr"] != r.Values[0].StdErr || object["task"] != "numbers" || object["n"] != 20.0 {
		t.Errorf("as JSON %v", object)
	}
	other := r
	other.Task = "others"
	mean, stderr, ok := eval.Average([]eval.Result{r, other}, []string{"numbers", "others"})
	if !ok || math.Abs(mean-r.Values[0].Value) > 1e-12 || math.Abs(stderr-r.Values[0].StdErr/math.Sqrt2) > 1e-12 {
		t.Errorf("the average is %v ± %v, %v", mean, stderr, ok)
	}
	if _, _, ok := eval.Average([]eval.Result{r}, []string{"numbers", "piqa"}); ok {
		t.Error("an average without all tasks")
	}
	var table strings.Builder
	if err := eval.Print(&table, results); err != nil || !strings.Contains(table.String(), "20 of 30") {
		t.Errorf("the table is %s, %v", table.String(), err)
	}
	one, err := eval.Evaluate(t.Context(), m, list, eval.Options{Protocol: eval.LMEval, Files: files, Limit: 1})
	if err != nil || !strings.Contains(asJSON(t, one), `"stderr":null`) {
		t.Errorf("one question has %s, %v", asJSON(t, one), err)
	}
}

// A text's loss, perplexity and bits per byte belong together; of bytes there is one
// token each.
func TestText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text.txt")
	text := strings.Repeat("some text ", 150)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	task := eval.Text(path)
	results, err := eval.Evaluate(t.Context(), small(t), []eval.Task{task}, eval.Options{Protocol: eval.Paper, Files: map[string]string{task.Name: path}})
	if err != nil {
		t.Fatal(err)
	}
	v := results[0].Values
	if len(v) != 3 || math.Abs(math.Log(v[1].Value)-v[0].Value) > 1e-9 {
		t.Fatalf("values %+v", v)
	}
	tokens := float64(len(text) + 1) // with the one that opens it
	if want := v[0].Value * tokens / float64(len(text)) / math.Ln2; math.Abs(v[2].Value-want) > 1e-9 {
		t.Errorf("%v bits per byte, want %v", v[2].Value, want)
	}
}
