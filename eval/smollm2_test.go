package eval_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/checkpoint/modeltest"
	"mobilellm/engine/cpu"
	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/infer"
	"mobilellm/internal/testlong"
)

// logged is what lm-evaluation-harness made of an item with transformers
// (interop/eval.py --golden).
type logged struct {
	Task     string
	Item     int
	LogProbs []float64 `json:"loglikelihoods"`
	Greedy   []bool
	Text     string
	Acc      *float64
	AccNorm  *float64 `json:"acc_norm"`
}

func readLogged(t *testing.T) map[string][]logged {
	t.Helper()
	file, err := os.Open("testdata/smollm2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := map[string][]logged{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var l logged
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		all[l.Task] = append(all[l.Task], l)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// hub are the files of questions.
const hub = "tasks/testdata/hub/"

// fewer are the tasks of which the log has fewer questions than the file: RACE's articles
// are long, TriviaQA's texts are generated.
var fewer = map[string]int{"race": 5, "triviaqa": 5}

// The log has every question of every file, in order.
func TestLogged(t *testing.T) {
	all := readLogged(t)
	files, err := filepath.Glob(hub + "*.parquet")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".parquet")
		list, err := tasks.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		items, err := list[0].Items(t.Context(), file, eval.LMEval)
		if err != nil {
			t.Fatal(err)
		}
		want := cmp.Or(fewer[name], len(items))
		if len(all[name]) != want {
			t.Errorf("%s: the log has %d questions, want %d: interop/eval.sh --golden --tasks %s", name, len(all[name]), want, name)
		}
		for i, l := range all[name] {
			if l.Item != i || len(l.LogProbs) != len(items[i].Requests) && list[0].Kind != eval.Generation {
				t.Errorf("%s: line %d is item %d with %d log-likelihoods", name, i, l.Item, len(l.LogProbs))
			}
		}
	}
}

// SmolLM2-135M-Instruct answers each task's questions as it does in lm-evaluation-harness
// 0.4.13 with transformers, in float32.
func TestSmolLM2(t *testing.T) {
	_, dir, err := modeltest.SmolLM2()
	if err != nil {
		t.Skip(err)
	}
	dev := cpu.New(cpu.Options{})
	defer dev.Close()
	m, err := infer.Load(dir, dev, eval.LoadOptions(infer.LoadOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all := readLogged(t)
	for _, task := range tasks.All() {
		want := all[task.Name]
		if len(want) == 0 {
			continue
		}
		long := slices.Contains([]string{"race", "boolq", "triviaqa", "wikitext2"}, task.Name)
		if !testlong.On() {
			want = want[:min(len(want), 4)]
		}
		t.Run(task.Name, func(t *testing.T) {
			if testing.Short() && long {
				t.Skip("its texts are long")
			}
			items, err := task.Items(t.Context(), hub+task.Name+".parquet", eval.LMEval)
			if err != nil {
				t.Fatal(err)
			}
			items = items[:min(len(items), len(want))]
			s := eval.NewScorer(m, nil)
			put := s.Score
			switch task.Kind {
			case eval.Rolling:
				put = s.Roll
			case eval.Generation:
				put = s.Generate
			}
			answered := 0
			if err := put(t.Context(), items, func(i int, a eval.Answer) error {
				checkLogged(t, items[i], a, want[i])
				answered++
				return nil
			}); err != nil || answered != len(want) {
				t.Fatalf("%d answers of %d, %v", answered, len(want), err)
			}
		})
	}
}

func checkLogged(t *testing.T, item eval.Item, a eval.Answer, want logged) {
	t.Helper()
	if got := strings.TrimSpace(a.Text); got != want.Text { // the harness's filter
		t.Errorf("item %d: %q, want %q", want.Item, got, want.Text)
	}
	for j, x := range want.LogProbs {
		got := a.Scores[j]
		if !(math.Abs(got.LogProb-x) <= max(1e-3, 1e-5*math.Abs(x))) {
			t.Errorf("item %d, request %d: log-likelihood %v, want %v", want.Item, j, got.LogProb, x)
		}
		if want.Greedy != nil && got.Greedy != want.Greedy[j] {
			t.Errorf("item %d, request %d: greedy %v", want.Item, j, got.Greedy)
		}
	}
	for _, m := range []struct {
		measure eval.Measure
		want    *float64
	}{{eval.Acc, want.Acc}, {eval.AccNorm, want.AccNorm}} {
		if m.want == nil {
			continue
		}
		if got := m.measure.Item(item, a); got != *m.want {
			t.Errorf("item %d: %s %v, want %v", want.Item, m.measure.Name, got, *m.want)
		}
	}
}
