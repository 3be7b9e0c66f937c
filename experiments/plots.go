package experiments

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"mobilellm/internal/chart"
	"mobilellm/internal/statistics"
	"mobilellm/report"
)

// Plot is a picture of a report.
type Plot struct {
	report.Figure
	Name string // of its file beside the report
}

// pictureWidth is that of every picture, in its own units.
const pictureWidth = 900

// Plots draws each group's losses, their course, and the losses against the paper's
// accuracies.
func (r *Report) Plots() []Plot {
	var list []Plot
	for i, g := range r.Groups {
		suffix, file := "", ""
		if len(r.Groups) > 1 {
			suffix, file = " ("+g.Name+")", fmt.Sprintf("-%d", i+1)
		}
		for _, kind := range []struct {
			file string
			draw func(string) (report.Figure, bool)
		}{{"loss", g.lossPlot}, {"curves", g.curvePlot}, {"paper", g.paperPlot}} {
			if figure, ok := kind.draw(suffix); ok {
				list = append(list, Plot{figure, kind.file + file + ".svg"})
			}
		}
	}
	return list
}

// nameWidth is how much room the members' names take.
func (g *Group) nameWidth() (width float64) {
	for _, m := range g.Results {
		width = max(width, chart.TextWidth(chart.Short(m.Name)))
	}
	return width
}

// lossPlot has a row for each member with a finished run, the first at the top. It draws
// nothing where there are fewer than two.
func (g *Group) lossPlot(suffix string) (report.Figure, bool) {
	const row, top = 28, 30
	var members []int
	var losses []float64
	for i, m := range g.Results {
		if len(m.seeds) > 0 {
			members = append(members, i)
		}
		for _, loss := range m.seeds {
			losses = append(losses, loss)
		}
	}
	if len(members) < 2 {
		return report.Figure{}, false
	}
	title := "Held-out loss of each seed, mean ± standard error" + suffix
	bottom := float64(top + row*len(members))
	d := &chart.Drawing{Width: pictureWidth, Height: bottom + 40}
	x := chart.Around(losses, g.nameWidth()+14, pictureWidth-20, 0.001, false)
	d.Text(0, 14, "start", "title", title)
	ticks := x.Ticks(8)
	for i, text := range chart.TickTexts(ticks) {
		d.Line(x.At(ticks[i]), top, x.At(ticks[i]), bottom, "grid")
		d.Text(x.At(ticks[i]), bottom+16, "middle", "tick", text)
	}
	d.Line(x.From, bottom, x.To, bottom, "axis")
	d.Text((x.From+x.To)/2, bottom+32, "middle", "tick", "nats per token, lower is better")
	for j, i := range members {
		m, y := g.Results[i], float64(top+row*j+row/2)
		d.Text(x.From-8, y+4, "end", "label", chart.Short(m.Name))
		var values []float64
		for _, seed := range slices.Sorted(maps.Keys(m.seeds)) {
			values = append(values, m.seeds[seed])
			d.Mark("circle", x.At(m.seeds[seed]), y, 4, "dot "+report.Series(i), fmt.Sprintf("%s, seed %d: %.4f", m.Name, seed, m.seeds[seed]))
		}
		mean, se := statistics.Mean(values)
		d.Line(x.At(mean), y-8, x.At(mean), y+8, "bar "+report.Series(i))
		if se > 0 { // and not NaN
			d.Line(x.At(mean-se), y, x.At(mean+se), y, "bar "+report.Series(i))
		}
	}
	return report.Drawn(title, d), true
}

// paperPlot has a point for each member that the paper has too. It draws nothing where
// there are fewer than two.
func (g *Group) paperPlot(suffix string) (report.Figure, bool) {
	var members []int
	var losses, accuracies []float64
	for i, m := range g.Results {
		if accuracy, ok := m.Paper["average"]; ok && !math.IsNaN(m.Loss) && !math.IsInf(m.Loss, 0) {
			members, losses, accuracies = append(members, i), append(losses, m.Loss), append(accuracies, accuracy)
		}
	}
	if len(members) < 2 {
		return report.Figure{}, false
	}
	title := "Held-out loss and the paper's average accuracy" + suffix
	d := &chart.Drawing{Width: pictureWidth, Height: 400}
	x := chart.Around(losses, 50, pictureWidth-g.nameWidth()-24, 0.001, false)
	y := chart.Around(accuracies, 350, 50, 0.1, false)
	d.Text(0, 14, "start", "title", title)
	d.Frame(x, y, x.Ticks(8), "held-out loss here, nats per token, lower is better", "average accuracy in the paper, %, higher is better")
	for j := range members {
		d.Keep(x.At(losses[j]), y.At(accuracies[j]), 5)
	}
	area := chart.Box{X0: x.From, Y0: y.To - 8, X1: pictureWidth, Y1: y.From - 2}
	for j, i := range members {
		name, at, height := g.Results[i].Name, x.At(losses[j]), y.At(accuracies[j])
		d.Mark("circle", at, height, 5, "dot "+report.Series(i), fmt.Sprintf("%s: loss %.4f, accuracy %.1f %%", name, losses[j], accuracies[j]))
		d.Label(at, height, 5, "label", name, chart.Anywhere, area)
	}
	return report.Drawn(title, d), true
}
