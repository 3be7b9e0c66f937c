package table

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/paper"
	"mobilellm/internal/chart"
)

// figure is a picture of the report.
type figure struct {
	Title, Caption string
	Pictures       []template.HTML
}

// figures are the paper's Figures 1, 3, 4 and 5 with ours.
func (r *Report) figures() []figure {
	return []figure{r.bubbles(), r.roadmap(), r.depth(), r.heads()}
}

// leftOut says which of ours a picture lacks, and why.
func leftOut(models []*Model, why string) string {
	if len(models) == 0 {
		return ""
	}
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.label()
	}
	return fmt.Sprintf(" Not shown, since %s: %s.", why, strings.Join(names, "; "))
}

// split parts ours in those that a picture can show and the others. Of the two of a model
// by lm-eval it takes the one by acc_norm.
func (r *Report) split(can func(*Model) bool) (shown, left []*Model) {
	for _, m := range r.Models {
		if m.measure == eval.Acc.Name || m.calling != nil {
			continue
		}
		if can(m) {
			shown = append(shown, m)
		} else {
			left = append(left, m)
		}
	}
	return shown, left
}

// name is the model's, with the protocol where another has that name.
func (r *Report) name(m *Model) string {
	for _, other := range r.Models {
		if other.Name == m.Name && other.Protocol != m.Protocol {
			return m.Name + ", " + string(m.Protocol)
		}
	}
	return m.Name
}

// sentence is what a mark says of a model.
func sentence(name string, parameters, value float64, whose string) string {
	text := fmt.Sprintf("%s (%s): %.1f", name, whose, value)
	if parameters > 0 {
		text += fmt.Sprintf(", %.4gM parameters", parameters)
	}
	return text
}

// bubbles is Figure 1: average accuracy against parameters, of the models of Table 3.
func (r *Report) bubbles() figure {
	const title = "Figure 1: average zero-shot accuracy against parameters"
	shown, left := r.split(func(m *Model) bool { return m.hasAverage() && m.Parameters > 0 })
	table := paper.Table(3)
	var parameters, averages []float64
	for _, m := range table {
		parameters, averages = append(parameters, m.Parameters), append(averages, m.Average)
	}
	for _, m := range shown {
		parameters, averages = append(parameters, m.Parameters), append(averages, m.average.value)
	}
	d := &chart.Drawing{Width: 900, Height: 520}
	x, y := chart.Around(parameters, 60, 880, 0, true), chart.Around(averages, 470, 30, 0.5, false)
	d.Frame(x, y, x.Ticks(0), "parameters, millions (logarithmic)", "average accuracy, %")
	area := chart.Box{X0: x.From, Y0: y.To, X1: x.To + 15, Y1: y.From}
	// The area of a bubble is that of the model, but no model vanishes or hides the rest.
	radius := func(parameters float64) float64 { return min(max(0.6*math.Sqrt(parameters), 4), 22) }
	for _, m := range table {
		class := "paper"
		if strings.HasPrefix(m.Name, "MobileLLM") {
			class = "paper mobile"
		}
		d.Mark("circle", x.At(m.Parameters), y.At(m.Average), radius(m.Parameters), class, sentence(m.Name, m.Parameters, m.Average, "paper"))
		d.Keep(x.At(m.Parameters), y.At(m.Average), radius(m.Parameters)*0.8)
	}
	for _, m := range shown {
		d.Mark("diamond", x.At(m.Parameters), y.At(m.average.value), radius(m.Parameters), "ours", sentence(m.label(), m.Parameters, m.average.value, "ours"))
		d.Keep(x.At(m.Parameters), y.At(m.average.value), radius(m.Parameters))
	}
	for _, m := range shown {
		d.Label(x.At(m.Parameters), y.At(m.average.value), radius(m.Parameters), "label ours", "ours: "+r.name(m), chart.Anywhere, area)
	}
	for _, m := range table {
		d.Label(x.At(m.Parameters), y.At(m.Average), radius(m.Parameters), "label", m.Name, chart.Anywhere, area)
	}
	return figure{title, "Circles: the paper's Table 3, its own models filled. Diamonds: ours. The area is proportional to the parameters, of models from 45M to 1.3B." + leftOut(left, "a task or the number of parameters is missing"), []template.HTML{d.SVG(title)}}
}

// roadmap is Figure 3: the steps of Table 10, 350M behind 125M, and ours after them.
func (r *Report) roadmap() figure {
	const title = "Figure 3: the roadmap"
	shown, left := r.split((*Model).hasAverage)
	var steps, behind []paper.Model
	averages := []float64{}
	for _, m := range paper.Table(10) {
		averages = append(averages, m.Average)
		if m.Group == "125M" {
			steps = append(steps, m)
		} else {
			behind = append(behind, m)
		}
	}
	for _, m := range shown {
		averages = append(averages, m.average.value)
	}
	d := &chart.Drawing{Width: 900, Height: 460}
	x, y := chart.Axis{From: 60, To: 880, High: float64(len(steps) + len(shown))}, chart.Around(averages, 330, 30, 0.5, false)
	y.Low = math.Floor(y.Low - 2)
	d.Frame(x, y, nil, "", fmt.Sprintf("average accuracy, %% (from %g)", y.Low))
	unit := x.At(1) - x.At(0)
	bar := func(center, width, value float64, class, title string) {
		d.Addf(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`, class, center-width/2, y.At(value), width, y.From-y.At(value), chart.Escape(title))
	}
	for i, m := range steps {
		center := x.At(float64(i) + 0.5)
		bar(center, 0.8*unit, behind[i].Average, "bar behind", sentence(behind[i].Name, behind[i].Parameters, behind[i].Average, "paper, 350M"))
		bar(center, 0.5*unit, m.Average, "bar front", sentence(m.Name, m.Parameters, m.Average, "paper, 125M"))
		d.Text(center, y.At(behind[i].Average)-4, "middle", "label", fmt.Sprintf("%.1f", behind[i].Average))
		d.Text(center, y.At(m.Average)+13, "middle", "label on", fmt.Sprintf("%.1f", m.Average))
		d.Slanted(center, y.From+14, "label", chart.Short(stepName(i, m.Name)))
	}
	if len(shown) > 0 {
		d.Line(x.At(float64(len(steps))), y.To, x.At(float64(len(steps))), y.From, "part")
	}
	for i, m := range shown {
		center := x.At(float64(len(steps)+i) + 0.5)
		bar(center, 0.65*unit, m.average.value, "bar ours", sentence(m.label(), m.Parameters, m.average.value, "ours"))
		d.Text(center, y.At(m.average.value)-4, "middle", "label ours", fmt.Sprintf("%.1f", m.average.value))
		d.Slanted(center, y.From+14, "label ours", chart.Short("ours: "+r.name(m)))
	}
	return figure{title, "Dark bars before light ones: the paper's Table 10 at 125M and 350M, each step on top of the one before, 1T after training on 1T tokens in place of 0.25T. Hatched: ours." + leftOut(left, "a task is missing"), []template.HTML{d.SVG(title)}}
}

func stepName(i int, name string) string {
	if i > 0 && !strings.HasSuffix(name, " 1T") {
		return "+ " + name
	}
	return name
}

// curve is a line of the paper's in a panel.
type curve struct {
	name, shape, class string
	points             []point
}

type point struct {
	x, y         float64
	title, label string // the label of ours
}

// panel draws curves, and ours as diamonds.
func panel(title, xLabel, yLabel string, logX bool, xTicks []float64, curves []curve, ours []point) template.HTML {
	var xs, ys []float64
	for _, c := range curves {
		for _, p := range c.points {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	for _, p := range ours {
		xs, ys = append(xs, p.x), append(ys, p.y)
	}
	d := &chart.Drawing{Width: 440, Height: 300}
	x, y := chart.Around(xs, 46, 340, 0.5, logX), chart.Around(ys, 245, 46, 0.5, false)
	if xTicks == nil {
		xTicks = x.Ticks(7)
	}
	d.Text(0, 14, "start", "title", title)
	d.Frame(x, y, xTicks, xLabel, yLabel)
	for _, c := range curves {
		var line [][2]float64
		for _, p := range c.points {
			line = append(line, [2]float64{x.At(p.x), y.At(p.y)})
		}
		d.Curve(c.class, c.name, line)
		for _, p := range c.points {
			d.Mark(c.shape, x.At(p.x), y.At(p.y), 3.5, "paper mobile", p.title)
			d.Keep(x.At(p.x), y.At(p.y), 4)
		}
	}
	area := chart.Box{X0: x.From, Y0: y.To - 10, X1: d.Width, Y1: y.From}
	for _, p := range ours {
		d.Mark("diamond", x.At(p.x), y.At(p.y), 6, "ours", p.title)
		d.Keep(x.At(p.x), y.At(p.y), 7)
	}
	for _, c := range curves {
		last := c.points[0]
		for _, p := range c.points {
			if p.x > last.x {
				last = p
			}
		}
		d.Label(x.At(last.x), y.At(last.y), 4, "label", c.name, chart.Right, area)
	}
	for _, p := range ours {
		d.Label(x.At(p.x), y.At(p.y), 6, "label ours", p.label, chart.Anywhere, area)
	}
	return d.SVG(title)
}

// near says whether a model's size is nearer to that of a group than to the other's.
func (m *Model) near(group string) bool {
	return (m.Parameters < math.Sqrt(125*350)) == (group == "125M")
}

// depth is Figure 4: accuracy against layers, of Tables 11 and 12.
func (r *Report) depth() figure {
	f := figure{Title: "Figure 4: depth against width"}
	shapes := []struct{ shape, class string }{{"circle", ""}, {"square", "dashed"}, {"triangle", "dotted"}}
	shown, left := r.split(func(m *Model) bool { return m.Layers > 0 && m.Parameters > 0 && len(m.scores) > 0 })
	letter := 'a'
	for _, what := range []struct {
		title, unit string
		table       int
		tasks       []string // the average where there are none
	}{
		{"zero-shot average", "accuracy, %", 11, nil},
		{"TriviaQA", "F1, %", 12, paper.Reading[:3]},
		{"RACE", "accuracy, %", 12, paper.Reading[3:]},
	} {
		for _, group := range []string{"125M", "350M"} {
			var curves []curve
			var ours []point
			tasks := what.tasks
			if tasks == nil {
				tasks = []string{""}
			}
			for i, task := range tasks {
				c := curve{name: strings.TrimPrefix(strings.TrimPrefix(paper.Titles[task], "TQA "), "RACE "), shape: shapes[i].shape, class: shapes[i].class}
				for _, m := range paper.Table(what.table) {
					value := m.Average
					if task != "" {
						value = m.Scores[task]
					}
					if m.Group == group {
						c.points = append(c.points, point{float64(m.Layers), value, sentence(fmt.Sprintf("%d layers", m.Layers), m.Parameters, value, "paper"), ""})
					}
				}
				curves = append(curves, c)
				for _, m := range shown {
					got, ok := m.scores[task]
					if task == "" {
						got, ok = m.average, m.hasAverage()
					}
					if value := got.value; ok && m.near(group) {
						label := "ours: " + r.name(m)
						if c.name != "" {
							label = "ours, " + c.name + ": " + r.name(m)
						}
						ours = append(ours, point{float64(m.Layers), value, sentence(m.label(), m.Parameters, value, "ours"), label})
					}
				}
			}
			f.Pictures = append(f.Pictures, panel(fmt.Sprintf("(%c) %s, about %s parameters", letter, what.title, group), "layers", what.unit, false, nil, curves, ours))
			letter++
		}
	}
	f.Caption = "Lines: the paper's Tables 11 and 12, models of like size. Diamonds: ours, beside the size that they are nearer to." + leftOut(left, "layers or parameters are not in the results")
	return f
}

// heads is Figure 5: accuracy against key-value heads, of Table 13.
func (r *Report) heads() figure {
	f := figure{Title: "Figure 5: heads and key-value heads"}
	shown, left := r.split(func(m *Model) bool { return m.KVHeads > 0 && m.Parameters > 0 && m.hasAverage() })
	for i, group := range []string{"125M", "350M"} {
		var curves []curve
		for _, c := range []struct {
			heads        int
			shape, class string
		}{{8, "circle", ""}, {16, "square", "dashed"}, {32, "triangle", "dotted"}} {
			line := curve{name: fmt.Sprintf("%d heads", c.heads), shape: c.shape, class: c.class}
			for _, m := range paper.Table(13) {
				if m.Group == group && m.Heads == c.heads {
					line.points = append(line.points, point{float64(m.KVHeads), m.Average, sentence(fmt.Sprintf("%d heads, %d key-value heads", m.Heads, m.KVHeads), m.Parameters, m.Average, "paper"), ""})
				}
			}
			curves = append(curves, line)
		}
		var ours []point
		for _, m := range shown {
			if m.near(group) {
				ours = append(ours, point{float64(m.KVHeads), m.average.value, sentence(fmt.Sprintf("%s, %d heads", m.label(), m.Heads), m.Parameters, m.average.value, "ours"), fmt.Sprintf("ours, %d heads: %s", m.Heads, r.name(m))})
			}
		}
		f.Pictures = append(f.Pictures, panel(fmt.Sprintf("(%c) zero-shot average, about %s parameters", 'a'+rune(i), group), "key-value heads (logarithmic)", "accuracy, %", true, []float64{1, 2, 4, 8, 16, 32}, curves, ours))
	}
	f.Caption = "Lines: the paper's Table 13. Diamonds: ours, beside the size that they are nearer to." + leftOut(left, "a task, the heads or the parameters are missing")
	return f
}
