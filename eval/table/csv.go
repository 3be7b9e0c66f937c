package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"

	"mobilellm/eval/paper"
)

// CSV writes a line for each model of each table, with a column for each task, its
// standard error, its measure and the average; numbers of ours in full. A cell is empty where there is
// none.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"table", "source", "model", "protocol", "layers", "parameters_millions"}
	tasks := append(append([]string{}, paper.ZeroShot...), paper.Reading...)
	for _, task := range tasks {
		head = append(head, task, task+"_stderr", task+"_measure")
	}
	head = append(head, "average", "average_stderr")
	if err := out.Write(head); err != nil {
		return err
	}
	for _, number := range []int{3, 4, 8} {
		for _, m := range paper.Table(number) {
			line := []string{fmt.Sprint(number), "paper", m.Name, "", count(m.Layers), filled(m.Parameters)}
			for _, task := range tasks {
				line = append(line, filled(m.Scores[task]), "", "")
			}
			if err := out.Write(append(line, filled(m.Average), "")); err != nil {
				return err
			}
		}
	}
	for _, m := range r.Models {
		line := []string{"", "ours", m.Name, string(m.Protocol), count(m.Layers), filled(m.Parameters)}
		for _, task := range tasks {
			s, ok := m.scores[task]
			if !ok {
				s = score{value: math.NaN(), stderr: math.NaN()}
			}
			line = append(line, full(s.value), full(s.stderr), s.measure)
		}
		if err := out.Write(append(line, full(m.average.value), full(m.average.stderr))); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func count(n int) string { return filled(float64(n)) }

// filled is empty for 0, which no table has.
func filled(x float64) string {
	if x == 0 {
		return ""
	}
	return full(x)
}

func full(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf("%.8g", x)
}
