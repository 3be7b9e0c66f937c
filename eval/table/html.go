package table

import (
	_ "embed"
	"html/template"
	"io"

	"mobilellm/internal/chart"
)

//go:embed page.html
var pageText string

// page is one file: pictures are part of it, and nothing is loaded from elsewhere.
var page = template.Must(template.New("page").Parse(pageText))

// HTML writes figures and tables as one page.
func (r *Report) HTML(w io.Writer) error {
	type line struct {
		Ours         bool
		Name, Source string
		Cells        []cell
	}
	type tableOf struct {
		Title string
		Head  []string
		Rows  []line
	}
	content := struct {
		Style   template.CSS
		Intro   []string
		Figures []figure
		Tables  []tableOf
	}{Style: template.CSS(chart.Style), Intro: r.intro(), Figures: r.figures()}
	for _, s := range r.sections() {
		t := tableOf{Title: s.Title, Head: s.Head}
		for _, row := range s.Rows {
			t.Rows = append(t.Rows, line{row.Ours, row.Name, s.source(row), row.Cells})
		}
		content.Tables = append(content.Tables, t)
	}
	return page.Execute(w, content)
}
