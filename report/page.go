package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"mobilellm/internal/chart"
)

// Page is a report in one file: pictures are part of it, and nothing is loaded from
// elsewhere.
type Page struct {
	Title    string
	Intro    []string // paragraphs
	Points   []string // sentences of a list
	Sections []Section
	Watch    bool // the page looks for a newer one of itself
}

// Section is a part of a page. What it does not have is left out.
type Section struct {
	Title   string
	Notes   []string // paragraphs before all else
	Figures []Figure
	Tables  []Table
	Texts   []Text
	Folded  bool // shown when its title is pressed
}

// Figure is a picture, and what a script may draw it from.
type Figure struct {
	Title  string
	Half   bool // two stand beside each other where there is room
	static *chart.Drawing
	curves *Curves // nil for a drawing that stays as it is
}

// Drawn is a figure that stays as it is.
func Drawn(title string, d *chart.Drawing) Figure { return Figure{Title: title, static: d} }

// File is the figure as an SVG file of its own.
func (f Figure) File() []byte { return f.static.File(f.Title) }

// Text is a text as a model wrote it.
type Text struct{ Head, Prompt, Body string }

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	page = template.Must(template.New("page").Parse(pageText))
)

// content is what the template has.
type content struct {
	*Page
	Style  template.CSS
	Script template.JS
	Data   []*Curves // of the figures that the script draws
	Parts  []part
}

type part struct {
	Section
	Figures []placed
}

// placed is a figure; Number is its place in the data, -1 for none.
type placed struct {
	SVG    template.HTML
	Class  template.HTMLAttr
	Number int
}

// HTML writes the page.
func (p *Page) HTML(w io.Writer) error {
	c := content{Page: p, Style: template.CSS(chart.Style + pageStyle), Script: template.JS(pageScript)}
	for _, s := range p.Sections {
		one := part{Section: s}
		for _, f := range s.Figures {
			at := placed{SVG: f.static.SVG(f.Title), Number: -1}
			if f.curves != nil {
				at.Number = len(c.Data)
				c.Data = append(c.Data, f.curves)
			}
			if f.Half {
				at.Class = ` class="half"`
			}
			one.Figures = append(one.Figures, at)
		}
		c.Parts = append(c.Parts, one)
	}
	return page.Execute(w, c)
}

// JSON is the data that the script draws from.
func (c content) JSON() (template.JS, error) {
	raw, err := json.Marshal(c.Data)
	return template.JS(raw), err // json.Marshal writes no </script>
}

// unbroken lets no line end behind ±, or before %.
var unbroken = strings.NewReplacer("± ", "±\u00a0", "< ", "<\u00a0", "> ", ">\u00a0", " %", "\u00a0%")

// Unbroken is a sentence for the page.
func (content) Unbroken(text string) string { return unbroken.Replace(text) }

// Table is a table of texts.
type Table struct {
	Title string
	Head  []string // none where the table has no names of columns
	Words int      // columns of text, before those of numbers
	Rows  [][]string
	Notes []string // sentences below it
}

// Cell is a cell of the page.
type Cell struct {
	Class template.HTMLAttr
	Text  string
}

// Cells are a row's.
func (t Table) Cells(texts []string) (row []Cell) {
	for i, text := range texts {
		c := Cell{Text: unbroken.Replace(text)}
		if i >= t.Words {
			c.Class = ` class="r"`
		}
		row = append(row, c)
	}
	return row
}

// Markdown writes the table.
func (t Table) Markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n", t.Title)
	columns := max(len(t.Head), t.Words)
	line := func(cells []string) {
		for i := range columns {
			cell := ""
			if i < len(cells) {
				cell = strings.ReplaceAll(cells[i], "|", "\\|")
			}
			fmt.Fprintf(b, "| %s ", cell)
		}
		b.WriteString("|\n")
	}
	line(t.Head)
	rule := make([]string, columns)
	for i := range rule {
		if rule[i] = "---"; i >= t.Words {
			rule[i] = "---:"
		}
	}
	line(rule)
	for _, row := range t.Rows {
		line(row)
	}
	for _, note := range t.Notes {
		fmt.Fprintf(b, "\n%s\n", note)
	}
}
