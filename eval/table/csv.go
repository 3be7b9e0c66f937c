package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"

	"mobilellm/eval/paper"
)

// CSV writes a line for each model of each table, with a column for each task, its
// standard error, its measure and the average, and the measures of API calling; numbers of
// ours in full. A cell is empty where there is none.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"table", "source", "model", "protocol", "layers", "parameters_millions"}
	tasks := append(append([]string{}, paper.ZeroShot...), paper.Reading...)
	for _, task := range tasks {
		head = append(head, task, task+"_stderr", task+"_measure")
	}
	head = append(head, "average", "average_stderr")
	for _, measure := range paper.Calling {
		head = append(head, measure, measure+"_stderr")
	}
	head = append(head, "constrained")
	if err := out.Write(head); err != nil {
		return err
	}
	for _, number := range []int{3, 4, 8} {
		for _, m := range paper.Table(number) {
			line := []string{fmt.Sprint(number), "paper", m.Name, "", count(m.Layers), filled(m.Parameters)}
			for _, task := range tasks {
				line = append(line, filled(m.Scores[task]), "", "")
			}
			line = append(line, filled(m.Average), "")
			if err := out.Write(append(line, make([]string, 2*len(paper.Calling)+1)...)); err != nil {
				return err
			}
		}
	}
	for _, m := range paper.Table(6) {
		line := append([]string{"6", "paper", m.Name}, make([]string, 3+3*len(tasks)+2)...)
		for _, measure := range paper.Calling {
			line = append(line, filled(m.Scores[measure]), "")
		}
		if err := out.Write(append(line, "")); err != nil {
			return err
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
		line = append(line, full(m.average.value), full(m.average.stderr))
		for _, measure := range paper.Calling {
			s, ok := m.calling[measure]
			if !ok {
				s = score{value: math.NaN(), stderr: math.NaN()}
			}
			line = append(line, full(s.value), full(s.stderr))
		}
		if err := out.Write(append(line, map[bool]string{true: "true"}[m.constrained])); err != nil {
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
