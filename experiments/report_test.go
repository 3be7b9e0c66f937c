package experiments

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/internal/jsonfloat"
	"mobilellm/report"
	"mobilellm/train"
)

// finish writes what a finished run of m leaves, as a report reads it.
func finish(t *testing.T, dir string, m Member, loss float64, text string, tasks ...train.TaskScore) {
	t.Helper()
	out := filepath.Join(dir, m.ID)
	if err := os.MkdirAll(out, 0o755); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(train.Summary{
		Parameters: m.Parameters, Step: m.Steps, Tokens: 512, Loss: loss, Seconds: 61, TokensPerSecond: 100, Tasks: tasks,
		Heldout: train.HeldoutRecord{Step: m.Steps, HeldoutLoss: jsonfloat.Float(loss), Perplexity: jsonfloat.Float(math.Exp(loss))},
	})
	if err != nil {
		t.Fatal(err)
	}
	run := m.Config + "\nrun: {versions: {commit: abc}, device: cpu, workers: 2, precision: bf16, data_fingerprint: " + text + "}\n"
	for name, content := range map[string]string{train.SummaryFile: string(raw), train.RunFile: run} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const threeModels = `base: tiny.yaml
title: Three models
source: Table 0
seeds: [1, 2, 3]
members:
  - name: base
    paper: {parameters: 125, average: 44.0}
  - name: better
    set: {model: {layers: 3}}
    paper: {parameters: 125, average: 45.0}
  - name: noisy
    against: better
    set: {model: {layers: 4}}
    paper: {parameters: 125, average: 44.5}
`

func threeResults(t *testing.T) (*Sweep, string) {
	s, dir := sweep(t, threeModels)
	for i, loss := range []float64{4.00, 4.10, 4.20, 3.90, 4.01, 4.09, 3.80, 4.30} {
		finish(t, dir, s.Members[i], loss, "t")
	}
	last := s.Members[8]
	if err := recordFailure(dir, last.ID, errors.New("no space left on device\nhint: free some")); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestReport(t *testing.T) {
	s, dir := threeResults(t)
	r, err := NewReport(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) != 1 || len(r.Groups[0].Results) != 3 {
		t.Fatalf("%+v", r.Groups)
	}
	base, better, noisy := r.Groups[0].Results[0], r.Groups[0].Results[1], r.Groups[0].Results[2]
	if math.Abs(base.Loss-4.1) > 1e-12 || math.Abs(base.LossSE-0.1/math.Sqrt(3)) > 1e-12 || base.Against != "" {
		t.Errorf("base %+v", base)
	}
	if math.Abs(better.Mean+0.1) > 1e-12 || better.Against != "base" || better.Verdict() != Better || better.PaperOrder() != "holds" || better.PHolm != 2*better.P {
		t.Errorf("better %+v: %s", better, better.Verdict())
	}
	if noisy.Finished != 2 || noisy.Of != 3 || noisy.Pairs != 2 || noisy.Against != "better" || noisy.Verdict() != WithinNoise || noisy.PaperOrder() != "cannot be told" {
		t.Errorf("noisy %+v: %s", noisy, noisy.Verdict())
	}
	// By loss better, noisy, base; the paper's the same.
	if o := r.Groups[0].Order; o.Spearman != 1 || o.Kendall != 1 {
		t.Errorf("order %+v", o)
	}

	out := filepath.Join(dir, ReportDir)
	if err := r.Write(out); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		"report.md": {
			"# Three models\n", "are from Table 0 of Liu et al.", "1 of 9 runs are not finished",
			"| better | 3 × 32, 4/2 heads, swiglu 64, shared embedding | 0.04M | 3 of 3 | 4.0000 ± 0.0551 |", "| 125M | 45.0 % |",
			"| better | base | better | -0.1000 ± 0.0058 | 0.0033 | 0.0066 |", "| +1.0 | holds |",
			"\n- better is better than base by 0.100 ± 0.006, beyond noise, 3 seeds; in the paper +1.0 points: holds.\n",
			"\n- noisy is within noise of better: +0.09 ± 0.20, 2 seeds; in the paper -0.5 points: cannot be told.", "lower is better",
			"Parameters differ, so that a part of the difference may be one of size: better has +",
			"Spearman +1.00, Kendall +1.00", "| noisy | 3 | " + s.Members[8].ID + " | failed | 0 of 4 | no space left on device |",
			"| commit | abc |", "![Held-out loss of each seed, mean ± standard error](loss.svg)",
		},
		"report.html": {"<h1>Three models</h1>", "<svg", "&#43;1.0</td>", "<li>better is better than base by", "no space left on device"},
		"loss.svg":    {"<svg"},
		"paper.svg":   {"<svg"},
	} {
		raw, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(raw), want) {
				t.Errorf("%s has no %q:\n%.2500s", name, want, raw)
			}
		}
	}
	for name, lines := range map[string]int{"members.csv": 4, "runs.csv": 10} {
		raw, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		if err != nil || len(rows) != lines {
			t.Errorf("%s has %d lines, %v", name, len(rows), err)
		}
	}
}

// The page needs nothing but itself.
func TestReportIsSelfContained(t *testing.T) {
	s, dir := threeResults(t)
	r, err := NewReport(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	plots := r.Plots()
	var page bytes.Buffer
	if err := r.HTML(&page, plots); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<?xml", "<script src", "<link rel=\"style", " src=", "@import", "url(http"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(page.String(), "<svg"); n != len(plots) || n != 2 {
		t.Errorf("%d pictures, want %d", n, len(plots))
	}
}

func TestReportOfNothing(t *testing.T) {
	s, dir := sweep(t, threeModels)
	_, err := NewReport(s, dir)
	checkError(t, "nothing finished", err, "sweep sweep has no finished run: nothing to report", "hint: mobilellm-sweep run "+dir)
}

// An experiment of one's own has no word of the paper, and a sentence for each comparison.
func TestReportOfOnesOwn(t *testing.T) {
	s, dir := sweep(t, ownModels)
	for i, m := range s.Members {
		if m.Name != "one" || m.Seed == 1 {
			finish(t, dir, m, []float64{4, 4.11, 4.19, 4.5, 4.62, 4.71, 4.01, 4.1, 4.2, 4.3, 0, 0}[i], "t")
		}
	}
	r, err := NewReport(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	var markdown, page, members bytes.Buffer
	if err := errors.Join(r.Markdown(&markdown, nil), r.HTML(&page, r.Plots()), r.MembersCSV(&members)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n- thin is worse than wide by 0.510 ± 0.006, beyond noise, 3 seeds.\n",
		"\n- same is within noise of wide: +0.003 ± 0.007, 3 seeds.\n",
		"\n- one has a loss of +0.30 against wide with one seed, which cannot tell a difference from noise: train more seeds.\n",
		"correction for the 3 comparisons", "| one | wide | too few seeds | +0.3000 |",
		"Parameters differ, so that a part of the difference may be one of size: thin has -34.6 % against wide; one has +34.6 % against wide.",
	} {
		if !strings.Contains(markdown.String(), want) {
			t.Errorf("no %q in\n%s", want, markdown.String())
		}
	}
	for name, text := range map[string]string{"report.md": markdown.String(), "report.html": strings.ReplaceAll(page.String(), "--paper", ""), "members.csv": members.String()} {
		if strings.Contains(text, "paper") {
			t.Errorf("%s speaks of the paper:\n%s", name, text)
		}
	}
}

const ownModels = `base: tiny.yaml
title: Width
seeds: [1, 2, 3]
members:
  - name: wide
  - name: thin
    set: {model: {layers: 1, dim: 32}}
  - name: same
    set: {optim: {lr: 2e-3}}
  - name: one
    set: {model: {layers: 3}}
`

// Curves are of the held-out loss where a run was scored more than once, else of the
// training loss, smoothed.
func TestCurves(t *testing.T) {
	s, dir := sweep(t, ownModels)
	write := func(m Member, lines ...string) {
		finish(t, dir, m, 4, "t")
		if err := os.WriteFile(filepath.Join(dir, m.ID, train.MetricsFile), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for step := 1; step <= 250; step++ {
		lines = append(lines, fmt.Sprintf(`{"step":%d,"tokens":%d,"loss":%g}`, step, 100*step, 8-float64(step)/100))
	}
	write(s.Members[0], append(lines, `{"step":250,"heldout_loss":5.6}`)...)
	titles := func() (list []string) {
		r, err := NewReport(s, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Plots() {
			list = append(list, p.Title)
		}
		return list
	}
	if got := titles(); !slices.Equal(got, []string{"Training loss of each run"}) {
		t.Errorf("pictures %q", got)
	}
	write(s.Members[1], append(lines, `{"step":100,"heldout_loss":7.5}`, `{"step":200,"heldout_loss":null}`, `{"step":250,"heldout_loss":5.5}`)...)
	if got := titles(); !slices.Equal(got, []string{"Held-out loss of each run"}) {
		t.Errorf("pictures %q", got)
	}
	c, err := memberCurve(dir, Status{Member: s.Members[1]})
	if err != nil || len(c.Training) != 250 || c.Training[0] != (report.LinePoint{1, 100, 0, 7.99}) || !slices.Equal(c.Heldout, []report.LinePoint{{100, 10000, 0, 7.5}, {250, 25000, 0, 5.5}}) {
		t.Errorf("%d points, %+v, %v", len(c.Training), c, err)
	}
	if c, err := memberCurve(dir, Status{Member: s.Members[2]}); err != nil || len(c.Training) != 0 {
		t.Errorf("a run that has not begun: %+v, %v", c, err)
	}
}

// Runs on different texts are told apart.
func TestReportOfTwoTexts(t *testing.T) {
	s, dir := sweep(t, threeModels)
	finish(t, dir, s.Members[0], 4, "one")
	finish(t, dir, s.Members[3], 5, "other")
	r, err := NewReport(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Warnings) != 2 || !strings.Contains(r.Warnings[0], "2 different texts or tokenizers (one, other)") {
		t.Errorf("warnings %q", r.Warnings)
	}
	if v := r.Groups[0].Results[1].Verdict(); v != TooFewSeeds {
		t.Errorf("one pair: %s", v)
	}
}

func TestJobs(t *testing.T) {
	s, _ := sweep(t, threeModels)
	s.Name = "Table_1 (Ünusual)"
	var job bytes.Buffer
	if err := s.Kubernetes(&job, KubernetesOptions{Image: "i", Claim: "c", Path: "/runs/x", CPUs: 2, Memory: 1 << 30, AtOnce: 20}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  name: table-1---nusual\n", "completions: 9\n", "parallelism: 9\n", "memory: 1024Mi", `mountPath: "/runs"`} {
		if !strings.Contains(job.String(), want) {
			t.Errorf("the job has no %q:\n%s", want, job.String())
		}
	}
	for _, o := range []KubernetesOptions{{Path: "runs/x", Claim: "c"}, {Path: "/x", Claim: "c"}, {Path: "/runs/x"}} {
		if err := s.Kubernetes(&job, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	if err := s.Slurm(&job, SlurmOptions{Dir: "/it's", Program: "p"}); err == nil {
		t.Error("a folder with a quote is taken")
	}
}

// Tasks that runs were measured by have a table, and columns of both files.
func TestReportTasks(t *testing.T) {
	s, dir := sweep(t, threeModels)
	for i, m := range s.Members {
		var tasks []train.TaskScore
		if m.Name != "noisy" {
			tasks = []train.TaskScore{
				{Task: "arc_easy", Measure: "acc", Value: jsonfloat.Float(0.25 + 0.01*float64(i%3)), N: 100},
				{Task: "wikitext2", Measure: "word_perplexity", Value: 90, Lower: true, N: 1},
			}
		}
		finish(t, dir, m, 3+float64(i)/10, "text", tasks...)
	}
	r, err := NewReport(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	var markdown, members, runs bytes.Buffer
	if err := errors.Join(r.Markdown(&markdown, nil), r.MembersCSV(&members), r.RunsCSV(&runs)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| member | arc_easy | wikitext2 |", "| base | 26.0 ± 0.6 | 90.000 ± 0.000 |", "| noisy |  |  |"} {
		if !strings.Contains(markdown.String(), want) {
			t.Errorf("no %q in\n%s", want, markdown.String())
		}
	}
	for name, text := range map[string]string{"members": members.String(), "runs": runs.String()} {
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		i := slices.Index(rows[0], "arc_easy")
		if i < 0 || !strings.HasPrefix(rows[1][i], "0.2") || rows[len(rows)-1][i] != "" {
			t.Errorf("%s: column %d of %q", name, i, rows)
		}
	}
}
