package compare

import (
	"fmt"
	"io"
	"text/tabwriter"

	"mobilellm/internal/jsonfloat"
)

// Print writes differences as a table: accuracies and F1 in per cent, log-likelihoods in
// nats an item.
func Print(w io.Writer, a, b *Answers, list []Difference) error {
	fmt.Fprintf(w, "A: %s\nB: %s\nprotocol %s, %s\n\n", describe(a), describe(b), a.Protocol, "differences are B − A ± the paired standard error")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "task\tmeasure\tn\tA\tB\tdifference\tonly A : only B\tp\tp (Holm)\t")
	for _, d := range list {
		only, verdict := "", ""
		if d.Accuracy {
			only = fmt.Sprintf("%d : %d", d.OnlyA, d.OnlyB)
		}
		if d.Beyond {
			verdict = "beyond noise"
		}
		scale, decimals := 100.0, 2
		if d.Measure == LogLikelihood {
			scale, decimals = 1, 4
		}
		number := func(x jsonfloat.Float, sign string) string {
			return fmt.Sprintf("%"+sign+".*f", decimals, scale*float64(x))
		}
		change := number(d.Mean, "+")
		if d.StdErr.Finite() {
			change += " ± " + number(d.StdErr, "")
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Task, d.Measure, d.N, number(d.A, ""), number(d.B, ""), change, only, probability(d.P), probability(d.PHolm), verdict)
	}
	return t.Flush()
}

func describe(a *Answers) string {
	return fmt.Sprintf("%s (model %.12s, %s)", a.File, a.Head.Model, a.Head.Precision)
}

func probability(p jsonfloat.Float) string {
	switch {
	case !p.Finite():
		return ""
	case p < 1e-4:
		return "<0.0001"
	}
	return fmt.Sprintf("%.4f", float64(p))
}
