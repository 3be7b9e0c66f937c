package table

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"mobilellm/eval/paper"
)

// Report is what is written: the evaluated models beside the paper's.
type Report struct {
	Models []*Model
}

// section is a table of the report.
type section struct {
	Title  string
	Head   []string
	Rows   []row
	Number int // of the paper's table
}

// row is a model's.
type row struct {
	Ours     bool
	Name     string
	Measures string // of ours
	Cells    []cell // after the name and the source
}

// cell is a number, or nothing.
type cell struct {
	value, stderr float64 // NaN for none
	decimals      int
	Measure       string // of ours
}

// Number is the value as it is written.
func (c cell) Number() string { return c.text(c.value) }

// StdErr is its standard error.
func (c cell) StdErr() string { return c.text(c.stderr) }

func (c cell) text(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return strconv.FormatFloat(x, 'f', c.decimals, 64)
}

func (c cell) String() string {
	if e := c.StdErr(); e != "" {
		return c.Number() + " ± " + e
	}
	return c.Number()
}

var nothing = cell{value: math.NaN(), stderr: math.NaN()}

func plain(value float64, decimals int) cell {
	if value == 0 {
		return nothing
	}
	return cell{value: value, stderr: math.NaN(), decimals: decimals}
}

// source says where a row's numbers are from.
func (s section) source(r row) string {
	switch {
	case r.Ours && r.Measures != "":
		return "ours, " + r.Measures
	case r.Ours:
		return "ours"
	}
	return fmt.Sprintf("paper, Table %d", s.Number)
}

// sections are the paper's Tables 3, 4 and 8, each with all of ours, and Table 6 where some of
// ours was asked for API calls.
func (r *Report) sections() []section {
	sections := []section{
		r.section(3, "Zero-shot common sense reasoning, below 1B parameters (Table 3)", paper.ZeroShot, true),
		r.section(4, "Question answering (F1) and reading comprehension (Table 4)", paper.Reading, false),
		r.section(8, "Zero-shot common sense reasoning, 600M to 3B parameters (Table 8)", paper.ZeroShot, true),
	}
	if slices.ContainsFunc(r.Models, func(m *Model) bool { return m.calling != nil }) {
		sections = append(sections, r.callingSection())
	}
	return sections
}

// callingSection is Table 6.
func (r *Report) callingSection() section {
	s := section{Title: "API calling (Table 6)", Number: 6, Head: []string{"Model", "Source", "#Layers", "#Params (M)"}}
	for _, measure := range paper.Calling {
		s.Head = append(s.Head, paper.CallingTitles[measure])
	}
	for _, m := range paper.Table(6) {
		cells := []cell{nothing, nothing}
		for _, measure := range paper.Calling {
			cells = append(cells, plain(m.Scores[measure], 1))
		}
		s.Rows = append(s.Rows, row{Name: m.Name, Cells: cells})
	}
	for _, m := range r.Models {
		if m.calling == nil {
			continue
		}
		cells := []cell{plain(float64(m.Layers), 0), plain(m.Parameters, 1)}
		for _, measure := range paper.Calling {
			got := m.calling[measure]
			cells = append(cells, cell{got.value, got.stderr, 1, measure})
		}
		s.Rows = append(s.Rows, row{Ours: true, Name: m.label(), Cells: cells})
	}
	return s
}

func (r *Report) section(number int, title string, tasks []string, average bool) section {
	s := section{Title: title, Number: number, Head: []string{"Model", "Source", "#Layers", "#Params (M)"}}
	for _, task := range tasks {
		s.Head = append(s.Head, paper.Titles[task])
	}
	if average {
		s.Head = append(s.Head, "Avg.")
	}
	unnamed := 0
	for _, m := range paper.Table(number) {
		if m.Name == "" {
			unnamed++
			m.Name = fmt.Sprintf("(unnamed %d)", unnamed)
		}
		cells := []cell{plain(float64(m.Layers), 0), plain(m.Parameters, 0)}
		for _, task := range tasks {
			cells = append(cells, plain(m.Scores[task], 1))
		}
		if average {
			cells = append(cells, plain(m.Average, 1))
		}
		s.Rows = append(s.Rows, row{Name: m.Name, Cells: cells})
	}
	for _, m := range r.Models {
		if m.calling != nil { // a row of Table 6
			continue
		}
		if m.measure == accNorm && !m.has(accNorm, tasks...) {
			continue // as by acc
		}
		cells := []cell{plain(float64(m.Layers), 0), plain(m.Parameters, 1)}
		for _, task := range tasks {
			c := nothing
			if got, ok := m.scores[task]; ok {
				c = cell{got.value, got.stderr, 1, got.measure}
			}
			cells = append(cells, c)
		}
		if average {
			cells = append(cells, cell{value: m.average.value, stderr: m.average.stderr, decimals: 1})
		}
		s.Rows = append(s.Rows, row{Ours: true, Name: m.label(), Measures: m.measures(tasks), Cells: cells})
	}
	return s
}

// label is the model's name with what its numbers hang on.
func (m *Model) label() string {
	text := m.Name
	if m.Protocol != "" {
		text += fmt.Sprintf(" (protocol %s", m.Protocol)
		if m.measure != "" {
			text += ", " + m.measure
		}
		if m.constrained {
			text += ", constrained"
		}
		if m.subset {
			text += ", a subset of the items"
		}
		text += ")"
	}
	return text
}

// measures names those of some tasks: the one of most tasks, and the others with theirs.
func (m *Model) measures(tasks []string) string {
	of := map[string][]string{}
	for _, task := range tasks {
		if s, ok := m.scores[task]; ok {
			of[s.measure] = append(of[s.measure], paper.Titles[task])
		}
	}
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(of[b]), len(of[a])), cmp.Compare(a, b))
	})
	for i := 1; i < len(names); i++ {
		names[i] += ": " + strings.Join(of[names[i]], ", ")
	}
	return strings.Join(names, "; ")
}

// intro says what the numbers are.
func (r *Report) intro() []string {
	texts := []string{
		"Per cent; ± is the standard error over a task's items. The paper's rows are the numbers that it prints (Liu et al., MobileLLM, ICML 2024), ours are measured by mobilellm-eval. A cell is empty where there is no number; an average is given where all eight tasks are there.",
		"The paper measures by a pipeline of its authors' that is not published, said to follow LLaMA's protocol, to which the protocol paper comes nearest: acc_norm takes the choice of the largest log-likelihood per character, acc_prior, for BoolQ and OBQA, that of the largest log p(choice|context) − log p(choice|\"Answer:\"), f1 is that of the words of the best alias. acc takes the choice of the largest log-likelihood. A model by lm-eval has two rows: acc, that protocol's score, and acc_norm where a task has it, which is nearer to the paper's; pictures show that one. Ours names the measure of most tasks, and others with their tasks.",
		"Rows of Table 4 without a name are those whose name the text at hand lacks.",
	}
	if slices.ContainsFunc(r.Models, func(m *Model) bool { return m.calling != nil }) {
		texts = append(texts, "Table 6: the share of API calls whose name, and of those that as a whole, are right, and ROUGE-1 and ROUGE-L of the reply. The paper's data are not published; ours are of the Schema-Guided Dialogue data, so that rows of ours compare with each other, not with the paper's. Constrained is where nothing could be answered but calls that the APIs' schemas allow.")
	}
	return texts
}
