package experiments

import (
	"html/template"
	"io"
	"strings"

	"mobilellm/internal/chart"
)

// page is the whole report in one file: pictures are part of it, and nothing is
// loaded from elsewhere.
var page = template.Must(template.New("report").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Heading}}</title>
<style>
{{.Style}}body { font: 16px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--back); overflow-wrap: anywhere; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.5rem; font-size: 1.25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
th { border-bottom: 2px solid var(--soft); vertical-align: bottom; }
th, td { min-width: 5.5rem; }
th.r, td.r { text-align: right; overflow-wrap: normal; min-width: 0; }
figure { margin: 1.5rem 0; overflow-x: auto; }
svg { width: 100%; min-width: 48rem; height: auto; }
.note { color: var(--soft); font-size: 14px; }
@media (max-width: 40rem) { table { font-size: 13px; } th, td { padding: .25rem .4rem; } }
@media print { figure, tr { break-inside: avoid; } h2 { break-after: avoid; } .wide, figure { overflow: visible; } svg { min-width: 0; } }
</style>
</head>
<body>
<h1>{{.Heading}}</h1>
{{range .Intro}}<p>{{.}}</p>
{{end}}{{with .Verdicts}}<ul>
{{range .}}<li>{{.}}</li>
{{end}}</ul>
{{end}}{{range .Plots}}<figure>{{.}}</figure>
{{end}}{{range .Tables}}<h2>{{.Title}}</h2>
<div class="wide"><table>
{{with .Head}}<tr>{{range .}}<th{{.Class}}>{{.Text}}</th>{{end}}</tr>
{{end}}{{range .Rows}}<tr>{{range .}}<td{{.Class}}>{{.Text}}</td>{{end}}</tr>
{{end}}</table></div>
{{range .Notes}}<p class="note">{{.}}</p>
{{end}}{{end}}</body>
</html>
`))

// unbroken lets a line end before ± and not behind it.
var unbroken = strings.NewReplacer("± ", "±\u00a0", "< ", "<\u00a0", "> ", ">\u00a0")

type tableCell struct {
	Class template.HTMLAttr
	Text  string
}

func (t table) cells(texts []string) (row []tableCell) {
	for i, text := range texts {
		c := tableCell{Text: unbroken.Replace(text)}
		if i >= t.words {
			c.Class = ` class="r"`
		}
		row = append(row, c)
	}
	return row
}

// HTML writes the report as one page.
func (r *Report) HTML(w io.Writer, plots []Plot) error {
	type section struct {
		Title string
		Head  []tableCell
		Rows  [][]tableCell
		Notes []string
	}
	content := struct {
		Style           template.CSS
		Heading         string
		Intro, Verdicts []string
		Plots           []template.HTML
		Tables          []section
	}{Style: template.CSS(chart.Style), Heading: r.heading(), Intro: r.intro()}
	for _, sentence := range r.verdicts() {
		content.Verdicts = append(content.Verdicts, unbroken.Replace(sentence))
	}
	for _, t := range r.tables() {
		s := section{Title: t.title, Head: t.cells(t.head), Notes: t.notes}
		for _, row := range t.rows {
			s.Rows = append(s.Rows, t.cells(row))
		}
		content.Tables = append(content.Tables, s)
	}
	for _, p := range plots {
		content.Plots = append(content.Plots, p.drawing.SVG(p.Title))
	}
	return page.Execute(w, content)
}
