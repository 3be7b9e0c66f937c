package experiments

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plot is a picture of a report.
type Plot struct {
	Title string
	File  string // its name beside the report
	SVG   []byte
}

var (
	seedColor = color.NRGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0x90}
	meanColor = color.NRGBA{A: 0xff}
)

// Plots draws each group's losses, and its losses against the paper's accuracies.
func (r *Report) Plots() ([]Plot, error) {
	var list []Plot
	for i, g := range r.Groups {
		suffix, title := "", ""
		if len(r.Groups) > 1 {
			suffix, title = fmt.Sprintf("-%d", i+1), " ("+g.Name+")"
		}
		p, members, err := g.lossPlot("Held-out loss of each seed, mean ± standard error" + title)
		if err != nil {
			return nil, err
		}
		if members < 2 {
			continue
		}
		if list, err = appendPlot(list, p, "loss"+suffix+".svg", vg.Length(60+28*members)); err != nil {
			return nil, err
		}
		p, members, err = g.paperPlot("Held-out loss and the paper's average accuracy" + title)
		if err != nil {
			return nil, err
		}
		if members < 2 {
			continue
		}
		if list, err = appendPlot(list, p, "paper"+suffix+".svg", 300); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func newPlot() *plot.Plot {
	p := plot.New()
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	p.X.Padding, p.Y.Padding = 8, 8
	return p
}

// ticks are gonum's with as many decimals as their values take; its own have three
// digits, which losses share.
func ticks(low, high float64) []plot.Tick {
	list := plot.DefaultTicks{}.Ticks(low, high)
	decimals := 0
	for _, t := range list {
		for ; !t.IsMinor() && decimals < 9; decimals++ {
			if unit := t.Value * math.Pow10(decimals); math.Abs(unit-math.Round(unit)) < 1e-6*math.Pow10(decimals)*(high-low) {
				break
			}
		}
	}
	for i, t := range list {
		if !t.IsMinor() {
			list[i].Label = strconv.FormatFloat(t.Value, 'f', decimals, 64)
		}
	}
	return list
}

// widen keeps points off an axis's ends.
func widen(a *plot.Axis) {
	room := 0.05 * (a.Max - a.Min)
	a.Min, a.Max = a.Min-room, a.Max+room
}

func appendPlot(list []Plot, p *plot.Plot, file string, height vg.Length) ([]Plot, error) {
	const margin = 8
	canvas := vgsvg.New(520, height+2*margin)
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	return append(list, Plot{p.Title.Text, file, out.Bytes()}), nil
}

// lossPlot has a line for each member, the first at the top.
func (g *Group) lossPlot(title string) (*plot.Plot, int, error) {
	p := newPlot()
	p.Title.Text, p.X.Label.Text = title, "nats per token"
	p.Add(plotter.NewGrid())
	var names []string
	var seeds plotter.XYs
	var means meanPoints
	for _, m := range g.Results {
		if m.Finished > 0 {
			names = append(names, m.Name)
		}
	}
	y := len(names) - 1
	for _, m := range g.Results {
		if m.Finished == 0 {
			continue
		}
		for _, loss := range m.Losses {
			seeds = append(seeds, plotter.XY{X: loss, Y: float64(y)})
		}
		means.XYs = append(means.XYs, plotter.XY{X: m.Loss, Y: float64(y)})
		se := m.LossSE
		if math.IsNaN(se) {
			se = 0
		}
		means.XErrors = append(means.XErrors, struct{ Low, High float64 }{se, se})
		y--
	}
	if len(names) == 0 {
		return p, 0, nil
	}
	dots, err := plotter.NewScatter(seeds)
	if err != nil {
		return nil, 0, err
	}
	dots.Color, dots.Shape, dots.Radius = seedColor, draw.CircleGlyph{}, 3
	bars, err := plotter.NewXErrorBars(means)
	if err != nil {
		return nil, 0, err
	}
	bars.Color = meanColor
	marks, err := plotter.NewScatter(means.XYs)
	if err != nil {
		return nil, 0, err
	}
	marks.Color, marks.Shape, marks.Radius = meanColor, draw.PlusGlyph{}, 4
	p.Add(dots, bars, marks)
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	p.NominalY(names...)
	widen(&p.X)
	p.Y.Min, p.Y.Max = -0.5, float64(len(names))-0.5
	return p, len(names), nil
}

// meanPoints are means with their errors, as plotter.NewXErrorBars takes them.
type meanPoints struct {
	plotter.XYs
	plotter.XErrors
}

// paperPlot has a point for each member that the paper has too.
func (g *Group) paperPlot(title string) (*plot.Plot, int, error) {
	p := newPlot()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "validation loss here, nats per token", "average accuracy in the paper, %"
	p.Add(plotter.NewGrid())
	var points plotter.XYLabels
	for _, m := range g.Results {
		if accuracy, ok := m.Paper["average"]; ok && m.Finished > 0 {
			points.XYs = append(points.XYs, plotter.XY{X: m.Loss, Y: accuracy})
			points.Labels = append(points.Labels, m.Name)
		}
	}
	if len(points.Labels) == 0 {
		return p, 0, nil
	}
	dots, err := plotter.NewScatter(points.XYs)
	if err != nil {
		return nil, 0, err
	}
	dots.Color, dots.Shape, dots.Radius = seedColor, draw.CircleGlyph{}, 4
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = text.XLeft, text.YBottom
	p.Add(dots, pointNames{points, style})
	widen(&p.X)
	widen(&p.Y)
	// Room for the names on the right.
	p.X.Max += 0.35 * (p.X.Max - p.X.Min)
	return p, len(points.Labels), nil
}
