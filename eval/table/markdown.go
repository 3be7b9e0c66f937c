package table

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the tables.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Evaluation beside the paper\n")
	for _, text := range r.intro() {
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "\n## %s\n\n", s.Title)
		markdownLine(&b, s.Head)
		b.WriteString("|---|---|" + strings.Repeat("---:|", len(s.Head)-2) + "\n")
		for _, row := range s.Rows {
			markdownLine(&b, s.texts(row))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// texts are a row's cells with those of its model.
func (s section) texts(r row) []string {
	texts := []string{r.Name, s.source(r)}
	for _, c := range r.Cells {
		texts = append(texts, c.String())
	}
	return texts
}

// markdownText keeps a text from ending its cell or from being more than text.
var markdownText = strings.NewReplacer("\\", "\\\\", "|", "\\|", "\n", " ", "\r", " ", "<", "&lt;", "&", "&amp;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "!", "\\!")

func markdownLine(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		fmt.Fprintf(b, "| %s ", markdownText.Replace(cell))
	}
	b.WriteString("|\n")
}
