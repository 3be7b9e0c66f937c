package compare

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/statistics"
)

// alpha is the probability of calling any difference real where none is there.
const alpha = 0.05

// Difference is a measure of one task of two models, over the same items.
type Difference struct {
	Task    string          `json:"task"`
	Measure string          `json:"measure"`
	N       int             `json:"n"`
	A       jsonfloat.Float `json:"a"` // means over the items
	B       jsonfloat.Float `json:"b"`
	Mean    jsonfloat.Float `json:"difference"` // B − A
	StdErr  jsonfloat.Float `json:"stderr"`     // of the mean difference, paired
	// OnlyA and OnlyB count the items that one model alone has right, of a measure that
	// is 0 or 1.
	Accuracy bool            `json:"accuracy"`
	OnlyA    int             `json:"only_a"`
	OnlyB    int             `json:"only_b"`
	Test     string          `json:"test"` // mcnemar, t or z
	P        jsonfloat.Float `json:"p"`
	PHolm    jsonfloat.Float `json:"p_holm"` // corrected for all differences of the comparison
	Beyond   bool            `json:"beyond_noise"`
}

// Models compares B with A by every task and measure. Another protocol, other tasks and
// other items are errors that name them.
func Models(a, b *Answers) ([]Difference, error) {
	if err := comparable(a, b); err != nil {
		return nil, fmt.Errorf("%s and %s cannot be compared: %w", a.File, b.File, err)
	}
	var list []Difference
	for _, task := range a.Tasks {
		differences, err := compareTask(task, a.items[task], b.items[task])
		if err != nil {
			return nil, fmt.Errorf("%s and %s cannot be compared: task %s: %w", a.File, b.File, task, err)
		}
		list = append(list, differences...)
	}
	if d, ok := average(list, a.Protocol); ok {
		list = append(list, d)
	}
	p := make([]float64, len(list))
	for i, d := range list {
		p[i] = float64(d.P)
	}
	for i, corrected := range statistics.Holm(p) {
		list[i].PHolm, list[i].Beyond = jsonfloat.Float(corrected), corrected < alpha
	}
	return list, nil
}

// average is the difference of the zero-shot tasks' average, if all of them are there: the
// tasks are independent, so the variances of their differences add up.
func average(list []Difference, p eval.Protocol) (Difference, bool) {
	group, err := tasks.Get(tasks.ZeroShot)
	if err != nil {
		panic("compare: " + err.Error())
	}
	d := Difference{Task: tasks.ZeroShot, Measure: "average", Test: "z"}
	variance, weight := 0.0, 1/float64(len(group))
	for _, task := range group {
		i := slices.IndexFunc(list, func(d Difference) bool { return d.Task == task.Name && d.Measure == task.Measures(p)[0].Name })
		if i < 0 {
			return d, false
		}
		of := list[i]
		d.N += of.N
		d.A += of.A * jsonfloat.Float(weight)
		d.B += of.B * jsonfloat.Float(weight)
		d.Mean += of.Mean * jsonfloat.Float(weight)
		variance += math.Pow(weight*float64(of.StdErr), 2)
	}
	d.StdErr = jsonfloat.Float(math.Sqrt(variance))
	d.P = jsonfloat.Float(statistics.ZTest(float64(d.Mean), float64(d.StdErr)))
	return d, true
}

// comparable says what two files of answers do not have in common.
func comparable(a, b *Answers) error {
	var errs []error
	if a.Protocol != b.Protocol {
		errs = append(errs, fmt.Errorf("the protocols are %s and %s", a.Protocol, b.Protocol))
	}
	if missing := without(a.Tasks, b.Tasks); len(missing) > 0 {
		errs = append(errs, fmt.Errorf("%s has no task %s", b.File, strings.Join(missing, ", ")))
	}
	if missing := without(b.Tasks, a.Tasks); len(missing) > 0 {
		errs = append(errs, fmt.Errorf("%s has no task %s", a.File, strings.Join(missing, ", ")))
	}
	return errors.Join(errs...)
}

// without are the names of a that b lacks.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}

func compareTask(task string, a, b map[string]item) ([]Difference, error) {
	ids, others := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))
	if err := sameItems(ids, others); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if a[id].hash != b[id].hash {
			return nil, fmt.Errorf("item %s was put as another question (%s and %s): the task's version or its data differ", id, a[id].hash, b[id].hash)
		}
	}
	measures := slices.Sorted(maps.Keys(a[ids[0]].values))
	list := make([]Difference, 0, len(measures))
	for _, measure := range measures {
		d, err := difference(measure, ids, a, b)
		if err != nil {
			return nil, err
		}
		d.Task = task
		list = append(list, d)
	}
	return list, nil
}

func sameItems(a, b []string) error {
	onlyA, onlyB := without(a, b), without(b, a)
	if len(onlyA)+len(onlyB) == 0 {
		return nil
	}
	return fmt.Errorf("the items differ: %d are in both, %s in the first only, %s in the second only", len(a)-len(onlyA), some(onlyA), some(onlyB))
}

// some counts ids and names the first.
func some(ids []string) string {
	const most = 3
	if len(ids) == 0 {
		return "none"
	}
	text := strings.Join(ids[:min(most, len(ids))], ", ")
	if len(ids) > most {
		text += ", …"
	}
	return fmt.Sprintf("%d (%s)", len(ids), text)
}

func difference(measure string, ids []string, a, b map[string]item) (Difference, error) {
	d := Difference{Measure: measure, N: len(ids), Accuracy: true}
	differences := make([]float64, len(ids))
	var meanA, meanB float64
	for i, id := range ids {
		x, inA := a[id].values[measure]
		y, inB := b[id].values[measure]
		if !inA || !inB {
			return d, fmt.Errorf("item %s: %s is not in both", id, measure)
		}
		meanA += x / float64(len(ids))
		meanB += y / float64(len(ids))
		differences[i] = y - x
		d.Accuracy = d.Accuracy && (x == 0 || x == 1) && (y == 0 || y == 1)
		switch {
		case y > x:
			d.OnlyB++
		case x > y:
			d.OnlyA++
		}
	}
	mean, se := statistics.Mean(differences)
	d.A, d.B, d.Mean, d.StdErr = jsonfloat.Float(meanA), jsonfloat.Float(meanB), jsonfloat.Float(mean), jsonfloat.Float(se)
	if d.Accuracy {
		d.Test, d.P = "mcnemar", jsonfloat.Float(statistics.McNemar(d.OnlyA, d.OnlyB))
		return d, nil
	}
	d.OnlyA, d.OnlyB = 0, 0
	d.Test, d.P = "t", jsonfloat.Float(statistics.TTest(mean, se, len(ids)))
	if !d.Mean.Finite() { // a log-likelihood of −∞
		d.P = jsonfloat.Float(math.NaN())
	}
	return d, nil
}
