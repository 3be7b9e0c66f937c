package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/internal/statistics"
)

// The numbers are those of scipy and statsmodels, see testdata/golden.py.
func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		McNemar []struct {
			A, B int
			P    float64
		}
		Tasks []struct {
			A, B       []float64
			Difference float64
			StdErr     float64
			CountA     int `json:"only_a"`
			CountB     int `json:"only_b"`
			P          float64
		}
		Holm    []float64
		Average struct {
			A, B                  [][]float64
			Difference, StdErr, P float64
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-9*max(math.Abs(want), 1e-6)) {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	for _, g := range golden.McNemar {
		near(fmt.Sprintf("McNemar of %d and %d", g.A, g.B), statistics.McNemar(g.A, g.B), g.P)
	}
	var a, b strings.Builder
	for i, g := range golden.Tasks {
		for j := range g.A {
			fmt.Fprintln(&a, answer(fmt.Sprint("task", i), j, fmt.Sprint("q", j), "h", g.A[j]))
			fmt.Fprintln(&b, answer(fmt.Sprint("task", i), j, fmt.Sprint("q", j), "h", g.B[j]))
		}
	}
	list, err := Models(file(t, head("lm-eval"), a.String()), file(t, head("lm-eval"), b.String()))
	if err != nil || len(list) != len(golden.Tasks) {
		t.Fatalf("%d differences, %v", len(list), err)
	}
	for i, g := range golden.Tasks {
		d := list[i]
		near("difference", float64(d.Mean), g.Difference)
		near("its standard error", float64(d.StdErr), g.StdErr)
		near(d.Test, float64(d.P), g.P)
		near("Holm", float64(d.PHolm), golden.Holm[i])
		if d.OnlyA != g.CountA || d.OnlyB != g.CountB || d.N != len(g.A) || d.Beyond != (golden.Holm[i] < 0.05) {
			t.Errorf("task %d: %+v", i, d)
		}
	}

	a.Reset()
	b.Reset()
	for i, task := range tasks.Groups[tasks.ZeroShot] {
		for j := range golden.Average.A[i] {
			fmt.Fprintln(&a, answer(task, j, fmt.Sprint(j), "h", golden.Average.A[i][j]))
			fmt.Fprintln(&b, answer(task, j, fmt.Sprint(j), "h", golden.Average.B[i][j]))
		}
	}
	list, err = Models(file(t, head("lm-eval"), a.String()), file(t, head("lm-eval"), b.String()))
	if err != nil || len(list) != 9 {
		t.Fatalf("%d differences, %v", len(list), err)
	}
	near("average", float64(list[8].Mean), golden.Average.Difference)
	near("its standard error", float64(list[8].StdErr), golden.Average.StdErr)
	near("its p", float64(list[8].P), golden.Average.P)
	near("B − A", float64(list[8].B-list[8].A), golden.Average.Difference)
}

func head(protocol string) string {
	return fmt.Sprintf(`{"model":"abc","protocol":%q,"precision":"float32","kv_type":"float32","context":2048}`, protocol)
}

func answer(task string, number int, id, hash string, acc float64) string {
	return fmt.Sprintf(`{"task":%q,"item":%d,"id":%q,"hash":%q,"gold":0,"requests":[{"loglikelihood":-1},{"loglikelihood":-2}],"values":{"acc":%g}}`, task, number, id, hash, acc)
}

func path(t *testing.T, lines ...string) string {
	name := filepath.Join(t.TempDir(), "items.jsonl")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func file(t *testing.T, lines ...string) *Answers {
	t.Helper()
	a, err := Read(path(t, lines...), "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRefusals(t *testing.T) {
	base := []string{head("lm-eval"), answer("piqa", 0, "x", "1", 1), answer("piqa", 1, "y", "2", 0)}
	for want, other := range map[string][]string{
		"the protocols are lm-eval and paper":                             {head("paper"), base[1], base[2]},
		"items.jsonl has no task piqa":                                    {base[0], answer("boolq", 0, "x", "1", 1)},
		"items.jsonl has no task boolq":                                   {base[0], base[1], base[2], answer("boolq", 0, "x", "1", 1)},
		"1 are in both, 1 (y) in the first only, 1 (z) in the second":     {base[0], base[1], answer("piqa", 1, "z", "2", 0)},
		"1 are in both, 1 (y) in the first only, none in the second only": {base[0], base[1]},
		"item y was put as another question (2 and 3)":                    {base[0], base[1], answer("piqa", 1, "y", "3", 0)},
		"item y: acc is not in both":                                      {base[0], base[1], strings.Replace(base[2], `"acc"`, `"f1"`, 1)},
	} {
		if _, err := Models(file(t, base...), file(t, other...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, lines := range map[string][]string{
		"is no file of answers":           {`{"results":[]}`},
		"there is no answer in it":        {base[0]},
		"line 2 is no answer: it must n":  {base[0], `{"task":"piqa"}`},
		"line 3 is no answer: unexpected": {base[0], base[1], base[2][:40]},
		"is no file of answers, which":    {},
	} {
		if _, err := Read(path(t, lines...), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// The file of an evaluation that was interrupted, or is under way.
func TestCutShort(t *testing.T) {
	file := path(t, head("lm-eval"), answer("piqa", 0, "x", "1", 1), answer("piqa", 1, "y", "2", 0))
	info, err := os.Stat(file)
	if err == nil {
		err = os.Truncate(file, info.Size()-1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(file, ""); err == nil || !strings.Contains(err.Error(), "items.jsonl: line 3 is cut short\nhint: let the evaluation end") {
		t.Error(err)
	}
}

// A file of several protocols is read by one of them, which is named where there is a choice.
func TestProtocol(t *testing.T) {
	of := func(protocol string, acc float64) string {
		return strings.Replace(answer("piqa", 0, "x", "1", acc), "{", fmt.Sprintf(`{"protocol":%q,`, protocol), 1)
	}
	both := path(t, head("lm-eval"), answer("piqa", 0, "x", "1", 1), of("paper", 0))
	for protocol, want := range map[eval.Protocol]float64{eval.LMEval: 1, eval.Paper: 0} {
		a, err := Read(both, protocol)
		if err != nil || a.Protocol != protocol || a.items["piqa"]["x"].values["acc"] != want {
			t.Errorf("%s: %+v, %v", protocol, a, err)
		}
	}
	if _, err := Read(both, ""); err == nil || !strings.Contains(err.Error(), "has answers by the protocols lm-eval, paper\nhint: name one with --protocol") {
		t.Error(err)
	}
	one := path(t, head("lm-eval"), answer("piqa", 0, "x", "1", 1))
	if _, err := Read(one, eval.Paper); err == nil || !strings.Contains(err.Error(), "items.jsonl: has no answers by protocol paper, but by lm-eval") {
		t.Error(err)
	}
}

// Items are matched by id whatever their order; a later line of an item counts, and ids
// that come again are told apart by the file's order.
func TestMatching(t *testing.T) {
	a := file(t, head("paper"), answer("race", 0, "x", "1", 0), answer("race", 1, "x", "2", 1), answer("race", 2, "y", "3", 1), answer("race", 0, "x", "1", 1))
	b := file(t, head("paper"), answer("race", 2, "y", "3", 0), answer("race", 1, "x", "2", 1), answer("race", 0, "x", "1", 1))
	list, err := Models(a, b)
	if err != nil || len(list) != 1 || list[0].N != 3 || list[0].OnlyA != 1 || list[0].OnlyB != 0 || list[0].P != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// A single item has no standard error; one continuation has a log-likelihood.
func TestLogLikelihood(t *testing.T) {
	of := func(ll string) string {
		return fmt.Sprintf(`{"task":"lambada","item":0,"id":"0","hash":"1","requests":[{"loglikelihood":%s}],"values":{"acc":1}}`, ll)
	}
	list, err := Models(file(t, head("paper"), of("-2.5")), file(t, head("paper"), of("-2")))
	if err != nil || len(list) != 2 || list[1].Measure != LogLikelihood || list[1].Mean != 0.5 || list[1].StdErr.Finite() || list[1].P.Finite() || list[1].Beyond {
		t.Errorf("%+v, %v", list, err)
	}
	list, err = Models(file(t, head("paper"), of("null")), file(t, head("paper"), of("-2")))
	if err != nil || list[1].Mean.Finite() || list[1].P.Finite() || list[1].Beyond {
		t.Errorf("%+v, %v", list, err)
	}
	var out strings.Builder
	if err := Print(&out, file(t, head("paper"), of("-2.5")), file(t, head("paper"), of("-2")), list); err != nil || strings.Contains(out.String(), "beyond") {
		t.Errorf("%s, %v", out.String(), err)
	}
}
