package table

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mobilellm/eval/paper"
)

// hostile is a name that would be more than text in HTML, Markdown or CSV.
const hostile = "</td><script>alert('x')</script>|\"a\",*b* \\ é漢字\u202e\nnext"

// results writes a file of results with those shares of the zero-shot tasks.
func results(t *testing.T, model, more string, shares ...float64) string {
	t.Helper()
	list := []map[string]any{}
	for i, share := range shares {
		list = append(list, map[string]any{"task": paper.ZeroShot[i], "protocol": "paper", "n": 100, "of": 100, "score": "acc", "acc": share, "acc_stderr": 0.02, "acc_norm": 0.9})
	}
	raw, err := json.Marshal(map[string]any{"model": model, "results": list})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, strings.TrimSuffix(string(raw), "}")+more+"}")
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

const shape = `,"parameters":134515008,"layers":30,"heads":9,"kv_heads":3`

func report(t *testing.T) *Report {
	t.Helper()
	r := &Report{}
	for _, m := range []struct{ path, name string }{
		{results(t, "models/whole", shape, 0.5, 0.3, 0.6, 0.7, 0.4, 0.45, 0.35, 0.5), ""},
		{results(t, "models/part", shape, 0.51, 0.31), ""},
		{results(t, "x", shape, 0.52, 0.3, 0.6, 0.7, 0.4, 0.45, 0.35, 0.5), hostile},
	} {
		models, err := Read(m.path, m.name)
		if err != nil || len(models) != 1 {
			t.Fatal(models, err)
		}
		r.Models = append(r.Models, models...)
	}
	return r
}

func TestAverage(t *testing.T) {
	r := report(t)
	whole, part := r.Models[0], r.Models[1]
	if math.Abs(whole.average.value-47.5) > 1e-9 || math.Abs(whole.average.stderr-2/math.Sqrt(8)) > 1e-9 || whole.Name != "whole" {
		t.Errorf("%+v", whole)
	}
	if part.hasAverage() || !math.IsNaN(part.average.stderr) {
		t.Errorf("a part of the tasks has the average %v", part.average)
	}
}

func TestMarkdown(t *testing.T) {
	var out strings.Builder
	if err := report(t).Markdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| MobileLLM-125M | paper, Table 3 | 30 | 125 | 43.9 | 27.1 | 60.2 | 65.3 | 42.4 | 38.9 | 39.5 | 53.1 | 46.3 |\n",
		"| MobileLLM-1.5B | paper, Table 8 |  |  | 67.5 | 40.9 | 65.7 | 74.8 | 46.4 | 64.5 | 50.5 | 64.7 | 59.4 |\n",
		"| MobileLLM-LS-350M | paper, Table 4 |  |  | 21.4 | 22.5 | 22.6 | 47.3 | 33.7 |\n",
		"| part (protocol paper) | ours, acc | 30 | 134.5 | 51.0 ± 2.0 | 31.0 ± 2.0 |  |  |  |  |  |  |  |\n",
		"| 50.0 ± 2.0 | 47.5 ± 0.7 |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no line %q in\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if cells := strings.Count(line, "|") - strings.Count(line, `\|`); strings.HasPrefix(line, "|") && cells != 14 && cells != 10 {
			t.Errorf("%d bars in %q", cells, line)
		}
	}
	if strings.Contains(out.String(), "<script") {
		t.Error("a name is HTML")
	}
}

func TestCSV(t *testing.T) {
	var out strings.Builder
	if err := report(t).CSV(&out); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(lines) != 1+17+13+26+5+3 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	at := func(line int, column string) string {
		for i, name := range lines[0] {
			if name == column {
				return lines[line][i]
			}
		}
		t.Fatalf("no column %s", column)
		return ""
	}
	ours := len(lines) - 3
	for _, c := range [][3]string{
		{"1", "model", "Cerebras-GPT-111M"},
		{"1", "average", "40"},
		{fmt.Sprint(ours), "arc_easy_stderr", "2"},
		{fmt.Sprint(ours), "arc_easy_measure", "acc"},
		{fmt.Sprint(ours), "average", "47.5"},
		{fmt.Sprint(ours + 1), "boolq", ""},
		{fmt.Sprint(ours + 1), "average", ""},
		{fmt.Sprint(ours + 2), "model", hostile},
	} {
		var line int
		fmt.Sscan(c[0], &line)
		if got := at(line, c[1]); got != c[2] {
			t.Errorf("line %d, %s: %q, want %q", line, c[1], got, c[2])
		}
	}
}

// The page is well formed whatever models are called, has no scripts and loads nothing.
func TestHTML(t *testing.T) {
	var out strings.Builder
	if err := report(t).HTML(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, wrong := range []string{"<script", "http:", "https:", "NaN", "Inf", "ZgotmplZ", "<link", "@import"} {
		if strings.Contains(text, wrong) {
			t.Errorf("the page has %q", wrong)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "<!DOCTYPE html>\n")))
	pictures, names := 0, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "svg" {
				pictures++
			}
		case xml.CharData:
			if strings.Contains(string(token), "alert('x')") {
				names++
			}
		}
	}
	if pictures != 1+1+1+6+2 {
		t.Errorf("%d pictures", pictures)
	}
	if names < 3 {
		t.Errorf("the hostile name is there %d times", names)
	}
	if !strings.Contains(text, "Not shown, since a task is missing: part (protocol paper).") {
		t.Error("what is not shown is not named")
	}
	if got := len(regexp.MustCompile(`<path class="ours"`).FindAllString(text, -1)); got != 2+2+2 {
		t.Errorf("%d diamonds, want those of two models in Figures 1, 4 and 5", got)
	}
	if got := strings.Count(text, `class="bar ours"`); got != 2 {
		t.Errorf("%d hatched bars", got)
	}
}

// Without any model the pictures are the paper's.
func TestPaperAlone(t *testing.T) {
	var out strings.Builder
	if err := (&Report{}).HTML(&out); err != nil || strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), `class="ours"`) {
		t.Errorf("%v", err)
	}
}

func TestTriviaQA(t *testing.T) {
	models, err := Read(write(t, `{"model":"x","results":[{"task":"triviaqa_5shot","n":10,"of":20,"score":"exact_match","exact_match":0.1,"f1":0.15,"f1_stderr":null}]}`), "")
	if err != nil || len(models) != 1 {
		t.Fatal(models, err)
	}
	if m := models[0]; m.scores["triviaqa_5shot"].value != 15 || !math.IsNaN(m.scores["triviaqa_5shot"].stderr) || !m.subset {
		t.Errorf("%+v", m)
	}
}

// A file of both protocols is three rows of Table 3, each of which names its measures, and
// two of the others' columns; pictures show one of the two by lm-eval.
func TestMeasures(t *testing.T) {
	var list []string
	for _, p := range []string{"lm-eval", "paper"} {
		for i, task := range paper.ZeroShot {
			score, more := "acc", ""
			switch {
			case p == "paper" && (task == "boolq" || task == "openbookqa"):
				score, more = "acc_prior", `,"acc":0.1`
			case p == "paper":
				score, more = "acc_norm", `,"acc":0.1`
			case task != "boolq" && task != "social_iqa" && task != "winogrande":
				more = fmt.Sprintf(`,"acc_norm":0.6%d,"acc_norm_stderr":0.01`, i)
			}
			list = append(list, fmt.Sprintf(`{"task":%q,"protocol":%q,"n":9,"of":9,"score":%q,%q:0.5%d,"%s_stderr":0.02%s}`, task, p, score, score, i, score, more))
		}
		list = append(list, fmt.Sprintf(`{"task":"race_high","protocol":%q,"score":"acc","acc":0.25}`, p))
	}
	path := write(t, `{"model":"m"`+shape+`,"results":[`+strings.Join(list, ",")+`]}`)
	models, err := Read(path, "")
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Models: models}
	var text, page, table strings.Builder
	if err := errors.Join(r.Markdown(&text), r.HTML(&page), r.CSV(&table)); err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{
		`| m (protocol lm-eval, acc) | ours, acc | 30 | 134.5 | 50.0 ± 2.0 | 51.0 ± 2.0 | 52.0 ± 2.0 |`:                                           2,
		`| m (protocol lm-eval, acc\_norm) | ours, acc\_norm; acc: BoolQ, SIQA, WinoGrande | 30 | 134.5 | 60.0 ± 1.0 | 61.0 ± 1.0 | 52.0 ± 2.0 |`: 2,
		`| m (protocol paper) | ours, acc\_norm; acc\_prior: BoolQ, OBQA | 30 | 134.5 | 50.0 ± 2.0 | 51.0 ± 2.0 | 52.0 ± 2.0 |`:                   2,
		`| m (protocol lm-eval, acc) | ours, acc | 30 | 134.5 |  |  |  |  | 25.0 |`:                                                               1,
		`| m (protocol lm-eval, acc\_norm) | ours, acc |`:                                                                                         0,
	} {
		if got := strings.Count(text.String(), want); got != times {
			t.Errorf("%q is there %d times, want %d, in\n%s", want, got, times, text.String())
		}
	}
	for want, times := range map[string]int{`<td title="acc_prior">`: 4, `class="bar ours"`: 2, "ours: m, lm-eval<": 3, "ours: m, paper<": 3} {
		if got := strings.Count(page.String(), want); got != times {
			t.Errorf("%q is there %d times, want %d", want, got, times)
		}
	}
	if !strings.Contains(table.String(), ",ours,m,lm-eval,30,134.51501,60,1,acc_norm,61,1,acc_norm,52,2,acc,") {
		t.Error(table.String())
	}
}

func TestBadResults(t *testing.T) {
	for want, text := range map[string]string{
		"is no JSON of mobilellm-eval":                             `{"results":`,
		"has no results":                                           `{"model":"x"}`,
		"result 0: names no task":                                  `{"results":[{"acc":0.5}]}`,
		"result 1: task piqa is there twice":                       `{"results":[{"task":"piqa","score":"acc","acc":0.5},{"task":"piqa","score":"acc","acc":0.5}]}`,
		"task piqa: acc (<nil>) must be a share, from 0 to 1":      `{"results":[{"task":"piqa","score":"acc","acc":null}]}`,
		"task piqa: acc (50) must be a share, from 0 to 1":         `{"results":[{"task":"piqa","score":"acc","acc":50}]}`,
		"task triviaqa_1shot: f1 (<nil>) must be a share, from 0 ": `{"results":[{"task":"triviaqa_1shot","score":"exact_match","exact_match":0.5}]}`,
	} {
		if _, err := Read(write(t, text), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// API calls stand beside the paper's Table 6, free and constrained, and in no other table.
func TestCalling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.json")
	const results = `{"model": "runs/mine", "parameters": 124600000, "layers": 30, "results": [
		{"task": "api-calling", "protocol": "lm-eval", "n": 5, "of": 5, "score": "em_intent", "em_intent": 0.5, "em_intent_stderr": 0.02, "em_structure": 0.25, "em_structure_stderr": 0.01, "rouge1": 0.375, "rouge1_stderr": 0.01, "rougeL": 0.35, "rougeL_stderr": 0.01},
		{"task": "api-calling-constrained", "protocol": "lm-eval", "n": 5, "of": 9, "score": "em_intent", "em_intent": 0.75, "em_structure": 0.5, "rouge1": 0.4, "rougeL": 0.4}]}`
	if err := os.WriteFile(path, []byte(results), 0o644); err != nil {
		t.Fatal(err)
	}
	models, err := Read(path, "")
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Models: models}
	var out strings.Builder
	if err := r.Markdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| MobileLLM-350M | paper, Table 6 |  |  | 65.3 | 48.8 | 46.8 | 44.6 |\n",
		"| mine (protocol lm-eval) | ours | 30 | 124.6 | 50.0 ± 2.0 | 25.0 ± 1.0 | 37.5 ± 1.0 | 35.0 ± 1.0 |\n",
		"| mine (protocol lm-eval, constrained, a subset of the items) | ours | 30 | 124.6 | 75.0 | 50.0 | 40.0 | 40.0 |\n",
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("no line %q, or several, in\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "| mine "); n != 2 {
		t.Errorf("%d rows of ours", n)
	}
	var lines strings.Builder
	if err := r.CSV(&lines); err != nil || !strings.Contains(lines.String(), ",75,,50,,40,,40,,true\n") {
		t.Errorf("%v in\n%s", err, lines.String())
	}
	if err := r.HTML(&lines); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(results, `"em_intent": 0.5`, `"em_intent": 5`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, ""); err == nil || !strings.Contains(err.Error(), "result 0: task api-calling: em_intent (5) must be a share") {
		t.Error(err)
	}
}
