package experiments

import (
	"fmt"
	"io"
	"strings"
)

// heading names the experiment and its scale.
func (r *Report) heading() string {
	text := r.Sweep.Title
	if text == "" {
		text = r.Sweep.Name
	}
	if r.Sweep.Scale != "" {
		text += ", " + r.Sweep.Scale + " scale"
	}
	return text
}

// intro says what the numbers under "paper" are from and what is wrong.
func (r *Report) intro() (sentences []string) {
	if r.Sweep.Source != "" {
		sentences = append(sentences, fmt.Sprintf("Columns under paper are from %s of Liu et al., MobileLLM, ICML 2024: average zero-shot accuracy of its own models, of the sizes given, after 0.25T tokens.", r.Sweep.Source))
	}
	return append(sentences, r.Warnings...)
}

// Markdown writes the report, with the pictures of [Report.Plots] beside it.
func (r *Report) Markdown(w io.Writer, plots []Plot) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", r.heading())
	for _, s := range r.intro() {
		fmt.Fprintf(&b, "\n%s\n", s)
	}
	for i, t := range r.tables() {
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		tableLine(&b, t.head)
		tableLine(&b, strings.Split(strings.Repeat("---,", len(t.head)-1)+"---", ","))
		for _, row := range t.rows {
			tableLine(&b, row)
		}
		for _, note := range t.notes {
			fmt.Fprintf(&b, "\n%s\n", note)
		}
		if i == 0 {
			for _, p := range plots {
				fmt.Fprintf(&b, "\n![%s](%s)\n", p.Title, p.File)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func tableLine(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		fmt.Fprintf(b, "| %s ", strings.ReplaceAll(cell, "|", "\\|"))
	}
	b.WriteString("|\n")
}
