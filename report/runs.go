package report

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mobilellm/internal/bar"
	"mobilellm/train"
)

// Runs are shown over each other.
type Runs []*Run

// Title names them.
func (list Runs) Title() string {
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d other runs", names[0], len(names)-1)
	}
	return strings.Join(names, ", ")
}

// Page shows how runs went, what they are, and what they wrote.
func (list Runs) Page() (*Page, error) {
	p := &Page{Title: list.Title(), Intro: list.intro()}
	var figures []Figure
	for _, c := range list.curves() {
		if f, ok := c.Figure(); ok {
			figures = append(figures, f)
		}
	}
	add := func(s Section) {
		if len(s.Figures)+len(s.Tables)+len(s.Texts)+len(s.Notes) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
	add(Section{Tables: []Table{list.results()}})
	add(Section{Title: "Curves", Figures: figures})
	add(list.layers())
	add(list.samples())
	add(list.interruptions())
	differences, common, err := list.configs()
	if err != nil {
		return nil, err
	}
	add(differences)
	add(list.machine())
	add(list.profile())
	add(common)
	return p, nil
}

func (list Runs) intro() (sentences []string) {
	sentences = append(sentences, "Loss is in nats per token, lower is better. Time is that of the steps, without saving and scoring.")
	under := slices.DeleteFunc(slices.Clone(list), func(r *Run) bool { return r.Summary != nil || !r.HasConfig })
	for _, r := range under {
		step := int64(0)
		if n := len(r.Steps); n > 0 {
			step = r.Steps[n-1].Step
		}
		sentences = append(sentences, fmt.Sprintf("%s is not finished: step %d of %d, its metrics written last at %s.", r.Name, step, r.Config.Train.Steps, r.Began.Add(r.Spent).UTC().Format(time.DateTime+" UTC")))
	}
	return sentences
}

// results has a row for each run.
func (list Runs) results() Table {
	t := Table{Words: 1, Head: []string{"run", "parameters", "steps", "tokens", "train loss", "held-out loss", "bits per byte", "best (step)", "tokens/s", "MFU", "time", "peak memory"}}
	for _, r := range list {
		row := []string{r.Name, "", "0", "", "", "", "", "", "", "", "", ""}
		if r.HasConfig {
			row[1] = amount(float64(r.Config.Model.ParameterCount()))
		}
		if n := len(r.Steps); n > 0 {
			last := r.Steps[n-1]
			row[2], row[3], row[4] = fmt.Sprint(last.Step), amount(float64(last.Tokens)), fmt.Sprintf("%.4f", r.smooth())
			row[8], row[9], row[10] = fmt.Sprintf("%.0f", float64(last.Tokens)/max(r.Spent.Seconds(), 1e-9)), r.meanMFU(), bar.Time(r.Spent)
			if last.MemoryBytes > 0 {
				row[11] = fmt.Sprintf("%.2f GB", float64(last.MemoryBytes)/1e9)
			}
		}
		if n := len(r.Heldout); n > 0 {
			best := slices.MinFunc(r.Heldout, func(a, b train.HeldoutRecord) int {
				return lessFinite(float64(a.HeldoutLoss), float64(b.HeldoutLoss))
			})
			row[5], row[6] = number(float64(r.Heldout[n-1].HeldoutLoss), 4), number(float64(r.Heldout[n-1].BitsPerByte), 3)
			row[7] = fmt.Sprintf("%s (%d)", number(float64(best.HeldoutLoss), 4), best.Step)
		}
		t.Rows = append(t.Rows, row)
	}
	for i := len(t.Head) - 1; i > 0; i-- { // without what no run has
		if !slices.ContainsFunc(t.Rows, func(row []string) bool { return row[i] != "" }) {
			t.Head = slices.Delete(t.Head, i, i+1)
			for k := range t.Rows {
				t.Rows[k] = slices.Delete(t.Rows[k], i, i+1)
			}
		}
	}
	return t
}

// lessFinite orders numbers, what is none last.
func lessFinite(a, b float64) int {
	switch {
	case finite(a) && (a < b || !finite(b)):
		return -1
	case finite(b) && (b < a || !finite(a)):
		return 1
	}
	return 0
}

func number(x float64, decimals int) string {
	if !finite(x) {
		return "not finite"
	}
	return fmt.Sprintf("%.*f", decimals, x)
}

// amount is a number of parameters or tokens in a few digits.
func amount(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2fB", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1fk", n/1e3)
	}
	return fmt.Sprintf("%.0f", n)
}

// smooth is the training loss of the last steps.
func (r *Run) smooth() float64 {
	last := r.LossLine()
	return last[len(last)-1][atValue]
}

func (r *Run) meanMFU() string {
	sum := 0.0
	for _, s := range r.Steps {
		sum += s.MFU
	}
	return fmt.Sprintf("%.0f %%", 100*sum/float64(len(r.Steps)))
}

func (r *Run) at(step int64, value float64) LinePoint {
	p := r.clock.at[step]
	return LinePoint{float64(step), p.tokens, p.seconds, value}
}

// line is a quantity of the steps, where it is finite.
func (r *Run) line(of func(train.StepRecord) float64) (points []LinePoint) {
	for _, s := range r.Steps {
		if v := of(s); finite(v) {
			points = append(points, r.at(s.Step, v))
		}
	}
	return points
}

// HeldoutLine is the held-out loss over the run's course.
func (r *Run) HeldoutLine() (points []LinePoint) {
	for _, h := range r.Heldout {
		if _, known := r.clock.at[h.Step]; known && h.HeldoutLoss.Finite() {
			points = append(points, r.at(h.Step, float64(h.HeldoutLoss)))
		}
	}
	return points
}

// LossLine is the training loss over the run's course, smoothed.
func (r *Run) LossLine() []LinePoint {
	return smoothed(r.line(func(s train.StepRecord) float64 { return s.Loss }))
}

// LossCurves are the training loss, raw and smoothed, and the held-out loss.
func (list Runs) LossCurves() *Curves {
	title := "Loss of runs"
	if len(list) == 1 {
		title = "Loss of " + list[0].Name
	}
	loss := &Curves{Title: title, Unit: "nats per token, lower is better", Least: 0.01, Late: true}
	for i, r := range list {
		for _, one := range r.Resumes {
			loss.Marks = append(loss.Marks, Mark{fmt.Sprintf("%s resumed after step %d", r.Name, one.Step), r.Name, i, r.at(one.Step, 0)})
		}
		training, heldout := 2*i, 2*i+1
		kinds := []string{"training", "held out"}
		names := slices.Clone(kinds)
		if len(list) > 1 {
			training, heldout = i, i
			names = []string{r.Name, ""}
		}
		raw, smooth := r.line(func(s train.StepRecord) float64 { return s.Loss }), r.LossLine()
		scored := r.HeldoutLine()
		if len(list) > 1 && len(scored) > 1 { // the name stands at what is compared
			names = []string{"", r.Name}
		}
		for k, points := range [][]LinePoint{smooth, scored} {
			if n := len(points); n > 0 && names[k] != "" {
				names[k] += fmt.Sprintf(" %.3f", points[n-1][atValue])
			}
		}
		if !slices.Equal(raw, smooth) {
			loss.Lines = append(loss.Lines, Line{Title: r.Name + ", each step", Run: r.Name, Color: training, Kind: Faint, Points: raw})
		}
		loss.Lines = append(loss.Lines,
			Line{Name: names[0], Title: r.Name + ", training", Run: r.Name, Color: training, Points: smooth},
			Line{Name: names[1], Title: r.Name + ", held out", Run: r.Name, Color: heldout, Kind: Dots, Points: scored})
	}
	return loss
}

func (list Runs) curves() []*Curves {
	all := []*Curves{list.LossCurves()}
	all = append(all, list.sourceCurves()...)
	all = append(all, list.taskCurves()...)
	for _, q := range []struct {
		title, unit string
		least       float64
		smooth      bool
		of          func(train.StepRecord) float64
	}{
		{"Learning rate", "", 1e-9, false, func(s train.StepRecord) float64 { return s.LR }},
		{"Gradient norm", "before clipping", 1e-6, true, func(s train.StepRecord) float64 { return s.GradNorm }},
		{"Speed", "tokens/s", 1, true, func(s train.StepRecord) float64 { return s.TokensPerSecond }},
		{"Model FLOPs utilisation", "% of the device's peak", 0.1, true, func(s train.StepRecord) float64 { return 100 * s.MFU }},
		{"Waiting for data", "% of the step's time", 0.01, true, func(s train.StepRecord) float64 { return 100 * s.DataWait }},
		{"Memory", "GB", 0.01, false, func(s train.StepRecord) float64 {
			if s.MemoryBytes == 0 {
				return math.NaN()
			}
			return float64(s.MemoryBytes) / 1e9
		}},
	} {
		c := &Curves{Title: q.title, Unit: q.unit, Least: q.least, half: true}
		for i, r := range list {
			points := r.line(q.of)
			name := ""
			if len(list) > 1 {
				name = r.Name
			}
			if q.smooth && len(points) > 50 {
				c.Lines = append(c.Lines, Line{Title: r.Name + ", each step", Run: r.Name, Color: i, Kind: Faint, Points: points})
				points = smoothed(points)
			}
			c.Lines = append(c.Lines, Line{Name: name, Title: r.Name, Run: r.Name, Color: i, Points: points})
		}
		all = append(all, c)
	}
	return all
}

// sourceCurves has a picture of what is trained on and one of what is held out, with a line
// for each source of a mixture.
func (list Runs) sourceCurves() []*Curves {
	training := &Curves{Title: "Training loss by source", Unit: "nats per token, lower is better", Least: 0.01, Late: true, half: true}
	heldout := &Curves{Title: "Held-out loss by source", Unit: training.Unit, Least: 0.01, half: true}
	for i, r := range list {
		trained, held := map[string][]LinePoint{}, map[string][]LinePoint{}
		for _, s := range r.Steps {
			r.source(trained, s.Step, s.SourceLosses)
		}
		for _, s := range r.Heldout {
			r.source(held, s.Step, s.SourceLosses)
		}
		for _, part := range []struct {
			c     *Curves
			lines map[string][]LinePoint
			kind  Kind
		}{{training, trained, Plain}, {heldout, held, Dots}} {
			for k, name := range slices.Sorted(maps.Keys(part.lines)) {
				line := Line{Name: name, Title: name, Run: r.Name, Color: k, Kind: part.kind, Points: part.lines[name]}
				if len(list) > 1 {
					line.Name, line.Title, line.Color = "", r.Name+", "+name, i
				}
				if part.kind == Plain && len(line.Points) > 50 {
					line.Points = smoothed(line.Points)
				}
				part.c.Lines = append(part.c.Lines, line)
			}
		}
	}
	return []*Curves{training, heldout}
}

// source adds a record's losses to the lines of their sources.
func (r *Run) source(lines map[string][]LinePoint, step int64, losses train.SourceLosses) {
	for name, loss := range losses {
		if loss.Finite() {
			lines[name] = append(lines[name], r.at(step, float64(loss)))
		}
	}
}

// taskCurves has a picture for each task.
func (list Runs) taskCurves() (all []*Curves) {
	at := map[string]*Curves{}
	for i, r := range list {
		for _, record := range r.Tasks {
			for _, t := range record.Tasks {
				c := at[t.Task]
				if c == nil {
					c = &Curves{Title: t.Task, Unit: t.Measure + ", higher is better", Least: 0.001, half: true}
					if t.Lower {
						c.Unit = t.Measure + ", lower is better"
					}
					at[t.Task], all = c, append(all, c)
				}
				n := len(c.Lines) - 1
				if n < 0 || c.Lines[n].Title != r.Name {
					name := ""
					if len(list) > 1 {
						name = r.Name
					}
					c.Lines, n = append(c.Lines, Line{Name: name, Title: r.Name, Run: r.Name, Color: i, Kind: Dots}), n+1
				}
				if t.Value.Finite() {
					c.Lines[n].Points = append(c.Lines[n].Points, r.at(record.Step, float64(t.Value)))
				}
			}
		}
	}
	return all
}

// samples are what the models wrote, the last of each run first.
func (list Runs) samples() Section {
	const most = 12 // steps of a run
	s := Section{Title: "What the model wrote"}
	for _, r := range list {
		shown := r.Samples
		for len(shown) > most {
			var half []train.SampleRecord
			for i := (len(shown) + 1) % 2; i < len(shown); i += 2 { // the last stays
				half = append(half, shown[i])
			}
			shown = half
		}
		for _, record := range slices.Backward(shown) {
			for _, one := range record.Samples {
				head := fmt.Sprintf("step %d", record.Step)
				if len(list) > 1 {
					head = r.Name + ", " + head
				}
				s.Texts = append(s.Texts, Text{head, one.Prompt, one.Text})
			}
		}
	}
	return s
}

func (list Runs) interruptions() Section {
	t := Table{Title: "Interruptions", Words: 1, Head: []string{"run", "after step", "resumed at", "steps made again"}}
	for _, r := range list {
		for _, one := range r.Resumes {
			t.Rows = append(t.Rows, []string{r.Name, fmt.Sprint(one.Step), one.Resumed.UTC().Format(time.DateTime + " UTC"), fmt.Sprint(one.Again)})
		}
	}
	if len(t.Rows) == 0 {
		return Section{}
	}
	return Section{Tables: []Table{t}}
}

// configs are the keys in which runs differ, and those that they have in common.
func (list Runs) configs() (differences, common Section, err error) {
	var names []string
	values := make([]map[string]string, len(list))
	known := 0
	for i, r := range list {
		values[i] = map[string]string{}
		if !r.HasConfig {
			continue
		}
		known++
		keys, err := configKeys(&r.Config)
		if err != nil {
			return differences, common, fmt.Errorf("%s: %w", filepath.Join(r.Dir, train.RunFile), err)
		}
		for _, k := range keys {
			if strings.HasPrefix(k.name, "run.") {
				continue
			}
			if values[i][k.name] = k.text(); !slices.Contains(names, k.name) {
				names = append(names, k.name)
			}
		}
	}
	if known == 0 {
		return differences, common, nil
	}
	apart := Table{Title: "Differences in configuration", Words: 1 + len(list), Head: []string{"key"}}
	same := Table{Words: 2, Head: []string{"key", "value"}}
	for _, r := range list {
		apart.Head = append(apart.Head, r.Name)
	}
	for _, name := range names {
		row := []string{name}
		differs := false
		for i := range list {
			row = append(row, values[i][name])
			differs = differs || list[i].HasConfig && values[i][name] != values[0][name]
		}
		if differs {
			apart.Rows = append(apart.Rows, row)
		} else {
			same.Rows = append(same.Rows, row[:2])
		}
	}
	if len(apart.Rows) > 0 {
		differences.Tables = []Table{apart}
	} else if len(list) > 1 {
		differences = Section{Title: apart.Title, Notes: []string{"The configurations are the same."}}
	}
	title := "Configuration"
	if len(list) > 1 {
		title = "Configuration in common"
	}
	return differences, Section{Title: title, Tables: []Table{same}, Folded: true}, nil
}

// machine is what computed.
func (list Runs) machine() Section {
	t := Table{Title: "Machine and program", Words: 1 + len(list), Head: []string{""}}
	var facts []*train.Record
	for _, r := range list {
		t.Head = append(t.Head, r.Name)
		facts = append(facts, r.Config.Run)
	}
	if !slices.ContainsFunc(facts, func(f *train.Record) bool { return f != nil }) {
		return Section{}
	}
	for _, row := range []struct {
		name string
		of   func(*train.Record) string
	}{
		{"device", func(f *train.Record) string { return f.Device }},
		{"workers", func(f *train.Record) string { return fmt.Sprint(f.Workers) }},
		{"precision", func(f *train.Record) string { return f.Precision }},
		{"micro-batch", func(f *train.Record) string { return fmt.Sprint(f.MicroBatch) }},
		{"recompute", func(f *train.Record) string { return f.Recompute }},
		{"commit", func(f *train.Record) string { return f.Versions["commit"] }},
		{"Go", func(f *train.Record) string { return f.Versions["go"] }},
		{"text and tokenizer", func(f *train.Record) string { return f.DataFingerprint }},
		{"started from", func(f *train.Record) string { return f.Init }},
		{"teacher", func(f *train.Record) string { return f.Teacher }},
	} {
		cells, some := []string{row.name}, false
		for _, f := range facts {
			text := ""
			if f != nil {
				text = row.of(f)
			}
			cells, some = append(cells, text), some || text != ""
		}
		if some {
			t.Rows = append(t.Rows, cells)
		}
	}
	return Section{Tables: []Table{t}}
}

// profile is where the time of the steps went, of the runs that measured it.
func (list Runs) profile() (s Section) {
	for _, r := range list {
		if len(r.Profile) == 0 {
			continue
		}
		t := Table{Title: "Profile", Words: 1, Head: []string{"operation", "calls", "seconds", "share", "GFLOP/s", "idle"}}
		if len(list) > 1 {
			t.Title += " of " + r.Name
		}
		for _, row := range r.Profile {
			speed := ""
			if row.FLOPs > 0 {
				speed = fmt.Sprintf("%.0f", row.GFLOPPS)
			}
			t.Rows = append(t.Rows, []string{row.Kind, fmt.Sprint(row.Calls), fmt.Sprintf("%.2f", row.Time.Seconds()), fmt.Sprintf("%.1f %%", 100*row.Share), speed, fmt.Sprintf("%.1f %%", 100*row.Idle)})
		}
		s.Tables = append(s.Tables, t)
	}
	return s
}
