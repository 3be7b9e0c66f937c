package experiments

import (
	"bytes"
	"html/template"
	"io"
)

// page is the whole report in one file: pictures are part of it, and nothing is
// loaded from elsewhere.
var page = template.Must(template.New("report").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Heading}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap; }
th { border-bottom: 2px solid #888; }
svg { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>{{.Heading}}</h1>
{{range .Intro}}<p>{{.}}</p>
{{end}}{{range .Plots}}<figure>{{.}}</figure>
{{end}}{{range .Tables}}<h2>{{.Title}}</h2>
<div class="wide"><table>
<tr>{{range .Head}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table></div>
{{range .Notes}}<p>{{.}}</p>
{{end}}{{end}}</body>
</html>
`))

// HTML writes the report as one page.
func (r *Report) HTML(w io.Writer, plots []Plot) error {
	type section struct {
		Title string
		Head  []string
		Rows  [][]string
		Notes []string
	}
	content := struct {
		Heading string
		Intro   []string
		Plots   []template.HTML
		Tables  []section
	}{Heading: r.heading(), Intro: r.intro()}
	for _, t := range r.tables() {
		content.Tables = append(content.Tables, section{t.title, t.head, t.rows, t.notes})
	}
	for _, p := range plots {
		content.Plots = append(content.Plots, template.HTML(p.SVG[bytes.Index(p.SVG, []byte("<svg")):])) // drawn here, without the XML's opening
	}
	return page.Execute(w, content)
}
