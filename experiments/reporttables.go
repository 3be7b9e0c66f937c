package experiments

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"mobilellm/internal/bar"
	"mobilellm/report"
)

// tables are a report's, in order.
func (r *Report) tables() []report.Table {
	var list []report.Table
	for _, g := range r.Groups {
		title := ""
		if len(r.Groups) > 1 && g.Name != "" {
			title = " (" + g.Name + ")"
		}
		list = append(list, g.results("Results"+title))
		if slices.ContainsFunc(g.Results, func(m Result) bool { return m.Against != "" }) {
			list = append(list, g.differences("Differences"+title))
		}
		if len(r.tasks) > 0 {
			list = append(list, g.tasks("Tasks"+title, r.tasks))
		}
	}
	if len(r.Unfinished) > 0 {
		list = append(list, r.unfinished())
	}
	return append(list, r.facts())
}

// ofMembers are the paper's columns that stand beside a member's own numbers; the others
// stand beside tasks.
var ofMembers = []string{"parameters", "average", "average_w8a8", "hours"}

func (g *Group) results(title string) report.Table {
	t := report.Table{Title: title, Words: 2, Head: []string{"member", "model", "parameters", "seeds", "validation loss", "perplexity", "tokens/s", "time"}}
	paper := slices.DeleteFunc(slices.Clone(PaperColumns), func(column string) bool {
		return !slices.ContainsFunc(g.Results, func(m Result) bool { _, ok := m.Paper[column]; return ok })
	})
	for _, column := range paper {
		if slices.Contains(ofMembers, column) {
			t.Head = append(t.Head, "paper: "+column)
		}
	}
	for _, m := range g.Results {
		row := []string{
			m.Name, m.Shape, fmt.Sprintf("%.2fM", float64(m.Parameters)/1e6), fmt.Sprintf("%d of %d", m.Finished, m.Of),
			plusMinus(m.Loss, m.LossSE, 4), plusMinus(m.Perplexity, m.PerplexitySE, 2), number(m.TokensPerSecond, 0), seconds(m.Seconds),
		}
		for _, column := range paper {
			switch value, ok := m.Paper[column]; {
			case !slices.Contains(ofMembers, column):
			case !ok:
				row = append(row, "")
			case column == "parameters":
				row = append(row, fmt.Sprintf("%gM", value))
			case column == "average", column == "average_w8a8":
				row = append(row, fmt.Sprintf("%.1f %%", value))
			default:
				row = append(row, fmt.Sprintf("%gh", value))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	t.Notes = append(t.Notes, "Perplexity is the loss' exponential; mean ± standard error over seeds. Time is that of a run's steps.")
	if note := g.sizes(); note != "" {
		t.Notes = append(t.Notes, note)
	}
	return t
}

// paperTasks are the columns of the paper by our tasks' names, where they differ.
var paperTasks = map[string]string{
	"social_iqa": "siqa", "openbookqa": "obqa", "zero-shot": "average",
	"triviaqa_1shot": "tqa_1_shot", "triviaqa_5shot": "tqa_5_shot", "triviaqa_64shot": "tqa_64_shot",
}

// tasks has a column for each task: shares of right answers as percentages, with the
// paper's in brackets.
func (g *Group) tasks(title string, names []string) report.Table {
	t := report.Table{Title: title, Words: 1, Head: append([]string{"member"}, names...)}
	for _, m := range g.Results {
		row := []string{m.Name}
		for _, name := range names {
			cell := ""
			if s, ok := m.Tasks[name]; ok && s.Lower {
				cell = plusMinus(s.Value, s.SE, 3)
			} else if ok {
				cell = plusMinus(100*s.Value, 100*s.SE, 1)
			}
			if paper, ok := m.Paper[cmp.Or(paperTasks[name], name)]; ok {
				cell = strings.TrimSpace(fmt.Sprintf("%s (%.1f)", cell, paper))
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	t.Notes = append(t.Notes, "Shares of right answers in percent, perplexities as they are; mean ± standard error over seeds; in brackets the paper's.")
	return t
}

func (g *Group) differences(title string) report.Table {
	t := report.Table{Title: title, Words: 3, Head: []string{"member", "against", "verdict", "Δ loss", "p", "p, Holm", "detectable", "seeds to tell"}}
	paper := slices.ContainsFunc(g.Results, func(m Result) bool { return !math.IsNaN(m.PaperDifference) })
	if paper {
		t.Head = append(t.Head, "paper: Δ average", "the paper's order")
	}
	for _, m := range g.Results {
		if m.Against == "" {
			continue
		}
		needed := fmt.Sprint(m.Seeds)
		switch {
		case m.Pairs < 2:
			needed = ""
		case m.Seeds == 0:
			needed = fmt.Sprintf("> %d", mostSeeds)
		}
		row := []string{m.Name, m.Against, string(m.Verdict()), signedPlusMinus(m.Mean, m.SE), probability(m.P), probability(m.PHolm), number(m.MDE, 4), needed}
		if paper {
			average := ""
			if !math.IsNaN(m.PaperDifference) {
				average = fmt.Sprintf("%+.1f", m.PaperDifference)
			}
			row = append(row, average, m.PaperOrder())
		}
		t.Rows = append(t.Rows, row)
	}
	correction := ""
	if len(t.Rows) > 1 {
		correction = fmt.Sprintf(", with Holm's correction for the %d comparisons of this table", len(t.Rows))
	}
	t.Notes = append(t.Notes, fmt.Sprintf("Δ loss is paired by seed, which fixes initial weights and order of samples; p is the paired t-test's, two-sided%s; below %g it counts as beyond noise. Detectable: the smallest true difference that so many seeds would show with probability %g at that noise, before the correction. Seeds to tell: how many would show the difference found.",
		correction, alpha, power))
	if o := g.Order; o.Members > 1 {
		t.Notes = append(t.Notes, fmt.Sprintf("The order of %d members by loss and the paper's by average accuracy (which rises where loss falls): Spearman %s, Kendall %s; 1 is the same order, -1 the reverse.",
			o.Members, correlation(o.Spearman), correlation(o.Kendall)))
	}
	return t
}

func (r *Report) unfinished() report.Table {
	t := report.Table{Title: "Not finished", Words: 6, Head: []string{"member", "seed", "id", "state", "step", "reason"}}
	for _, m := range r.Unfinished {
		reason, _, _ := strings.Cut(m.Error, "\n")
		t.Rows = append(t.Rows, []string{m.Name, fmt.Sprint(m.Seed), m.ID, string(m.State), fmt.Sprintf("%d of %d", m.Step, m.Steps), reason})
	}
	return t
}

func (r *Report) facts() report.Table {
	t := report.Table{Title: "Runs", Words: 2}
	for _, f := range r.Facts {
		t.Rows = append(t.Rows, []string{f.Name, strings.Join(f.Values, "; ")})
	}
	var seeds []string
	var tokens []string
	for _, m := range r.runs {
		if s := fmt.Sprint(m.Seed); !slices.Contains(seeds, s) {
			seeds = append(seeds, s)
		}
		if n := fmt.Sprintf("%.2fM", float64(m.Result.Tokens)/1e6); !slices.Contains(tokens, n) {
			tokens = append(tokens, n)
		}
	}
	slices.Sort(seeds)
	t.Rows = append(t.Rows, []string{"seeds", strings.Join(seeds, ", ")}, []string{"tokens a run", strings.Join(tokens, ", ")})
	return t
}

func number(x float64, digits int) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf("%.*f", digits, x)
}

func plusMinus(m, se float64, digits int) string {
	if math.IsNaN(m) || math.IsNaN(se) {
		return number(m, digits)
	}
	return fmt.Sprintf("%.*f ± %.*f", digits, m, digits, se)
}

func signedPlusMinus(m, se float64) string {
	if math.IsNaN(m) {
		return ""
	}
	text := fmt.Sprintf("%+.4f", m)
	if !math.IsNaN(se) {
		text += fmt.Sprintf(" ± %.4f", se)
	}
	return text
}

func probability(p float64) string {
	switch {
	case math.IsNaN(p):
		return ""
	case p < 0.0001:
		return "< 0.0001"
	}
	return fmt.Sprintf("%.4f", p)
}

func correlation(c float64) string {
	if math.IsNaN(c) {
		return "not defined"
	}
	return fmt.Sprintf("%+.2f", c)
}

func seconds(s float64) string {
	if math.IsNaN(s) {
		return ""
	}
	return bar.Time(time.Duration(s * float64(time.Second)))
}
