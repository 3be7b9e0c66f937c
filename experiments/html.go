package experiments

import (
	"io"

	"mobilellm/report"
)

// HTML writes the report as one page.
func (r *Report) HTML(w io.Writer, plots []Plot) error {
	p := report.Page{Title: r.heading(), Intro: r.intro(), Points: r.verdicts()}
	pictures := report.Section{}
	for _, plot := range plots {
		pictures.Figures = append(pictures.Figures, plot.Figure)
	}
	p.Sections = append(p.Sections, pictures, report.Section{Tables: r.tables()})
	return p.HTML(w)
}
