package experiments

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"

	"mobilellm/train"
)

// MembersCSV writes a line for each member, numbers in full; a cell is empty where
// there is none.
func (r *Report) MembersCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{
		"group", "member", "model", "parameters", "seeds_finished", "seeds", "heldout_loss", "heldout_loss_se", "perplexity", "perplexity_se",
		"tokens_per_second", "seconds", "against", "difference", "difference_se", "p", "p_holm", "detectable", "seeds_to_tell", "verdict",
	}
	paper := r.hasPaper()
	for _, task := range r.tasks {
		head = append(head, task, task+"_se")
	}
	if paper {
		head = append(head, "paper_order")
		for _, column := range PaperColumns {
			head = append(head, "paper_"+column)
		}
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for _, g := range r.Groups {
		for _, m := range g.Results {
			needed := ""
			if m.Seeds > 0 {
				needed = fmt.Sprint(m.Seeds)
			}
			row := []string{
				g.Name, m.Name, m.Shape, fmt.Sprint(m.Parameters), fmt.Sprint(m.Finished), fmt.Sprint(m.Of), full(m.Loss), full(m.LossSE), full(m.Perplexity), full(m.PerplexitySE),
				full(m.TokensPerSecond), full(m.Seconds), m.Against, full(m.Mean), full(m.SE), full(m.P), full(m.PHolm), full(m.MDE), needed, string(m.Verdict()),
			}
			for _, task := range r.tasks {
				score, ok := m.Tasks[task]
				if !ok {
					score.Value, score.SE = math.NaN(), math.NaN()
				}
				row = append(row, full(score.Value), full(score.SE))
			}
			if paper {
				row = append(row, m.PaperOrder())
				for _, column := range PaperColumns {
					value, ok := m.Paper[column]
					if !ok {
						value = math.NaN()
					}
					row = append(row, full(value))
				}
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// RunsCSV writes a line for each run, finished or not.
func (r *Report) RunsCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"id", "group", "member", "seed", "state", "step", "steps", "heldout_loss", "bits_per_byte", "train_loss", "tokens", "seconds", "tokens_per_second", "peak_memory_bytes"}
	if err := out.Write(append(head, r.tasks...)); err != nil {
		return err
	}
	for _, m := range r.runs {
		s := m.Result
		row := []string{
			m.ID, m.Group, m.Name, fmt.Sprint(m.Seed), string(m.State), fmt.Sprint(m.Step), fmt.Sprint(m.Steps), full(float64(s.Heldout.HeldoutLoss)), full(float64(s.Heldout.BitsPerByte)),
			full(s.Loss), fmt.Sprint(s.Tokens), full(s.Seconds), full(s.TokensPerSecond), fmt.Sprint(s.PeakMemoryBytes),
		}
		for _, task := range r.tasks {
			cell := ""
			if i := slices.IndexFunc(s.Tasks, func(t train.TaskScore) bool { return t.Task == task }); i >= 0 {
				cell = full(float64(s.Tasks[i].Value))
			}
			row = append(row, cell)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	for _, m := range r.Unfinished {
		row := []string{m.ID, m.Group, m.Name, fmt.Sprint(m.Seed), string(m.State), fmt.Sprint(m.Step), fmt.Sprint(m.Steps)}
		if err := out.Write(append(row, make([]string, len(head)-len(row)+len(r.tasks))...)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func full(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf("%.8g", x)
}
