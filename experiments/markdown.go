package experiments

import (
	"fmt"
	"io"
	"slices"
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

// hasPaper says whether a member has numbers of the paper beside its own.
func (r *Report) hasPaper() bool {
	return slices.ContainsFunc(r.Sweep.Members, func(m Member) bool { return len(m.Paper) > 0 })
}

// intro says what the numbers are, what those under "paper" are from, and what is wrong.
func (r *Report) intro() (sentences []string) {
	sentences = append(sentences, "Loss is in nats per token of held-out text: lower is better.")
	if r.Sweep.Source != "" && r.hasPaper() {
		sentences = append(sentences, fmt.Sprintf("Columns under paper are from %s of Liu et al., MobileLLM, ICML 2024: average zero-shot accuracy of its own models, of the sizes given, after 0.25T tokens. Accuracy rises where loss falls.", r.Sweep.Source))
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
	b.WriteString("\n")
	for _, s := range r.verdicts() {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	for i, t := range r.tables() {
		t.Markdown(&b)
		if i == 0 {
			for _, p := range plots {
				fmt.Fprintf(&b, "\n![%s](%s)\n", p.Title, p.Name)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
