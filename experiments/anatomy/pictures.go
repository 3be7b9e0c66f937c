package anatomy

import (
	"fmt"
	"math"
	"slices"

	"mobilellm/internal/chart"
)

// Picture is a drawing with the name of its file, without ending.
type Picture struct {
	Name, Title string
	*chart.Drawing
}

// Pictures draw what was seen of runs: the weights of each over time, the runs beside each
// other, and the landscape of each.
func Pictures(runs []*Run) []Picture {
	var list []Picture
	add := func(name, title string, d *chart.Drawing) {
		if d != nil {
			list = append(list, Picture{name, title, d})
		}
	}
	for _, r := range runs {
		title := "Latent weights of " + r.label()
		add("weights-"+r.Name, title, r.histograms(title))
	}
	for _, c := range []struct {
		name, title, unit string
		of                func(*Run) []point
	}{
		{"saturated", "Activations at 1 and beyond, where a sign passes no gradient", "share of what matmuls read, %", snapshots(func(s Snapshot) float64 { return s.Saturated })},
		{"vanished", "Weights whose gradient vanishes: below 1 % of its matrix's root mean square", "share of weights, %", snapshots(func(s Snapshot) float64 { return s.Vanished })},
		{"revived", "Of these, those with a gradient again at the next checkpoint", "share, %", changes(func(c Change) float64 { return c.Revived })},
		{"flipped", "Weights whose sign is another than at the checkpoint before", "share of weights, %", changes(func(c Change) float64 { return c.Flipped })},
	} {
		var lines []line
		for _, r := range runs {
			lines = append(lines, line{r.label(), c.of(r)})
		}
		add(c.name, c.title, drawLines(c.title, "step", c.unit, lines, nil))
	}
	var lines []line
	for _, r := range runs {
		if n := len(r.Changes); n > 0 {
			var points []point
			for i, x := range r.Changes[n-1].Moved {
				points = append(points, point{float64(i + 1), x})
			}
			lines = append(lines, line{r.label(), points})
		}
	}
	title := "How far weights moved between the last two checkpoints, by the size of their gradients"
	var tenths []float64
	for i := range parts {
		tenths = append(tenths, float64(i+1))
	}
	add("moved", title, drawLines(title, "tenth of the weights, from the smallest gradients to the largest", "distance over the mean of all", lines, tenths))
	for _, r := range runs {
		title := fmt.Sprintf("Loss around the weights of %s, over two random directions as long as they", r.label())
		add("landscape-"+r.Name, title, r.drawLandscape(title))
	}
	return list
}

// label names a run in pictures.
func (r *Run) label() string { return fmt.Sprintf("%s (%s)", r.Name, r.Optimizer) }

type point struct{ x, y float64 }

type line struct {
	name   string
	points []point
}

func snapshots(of func(Snapshot) float64) func(*Run) []point {
	return func(r *Run) (list []point) {
		for _, s := range r.Snapshots {
			list = append(list, point{float64(s.Step), 100 * of(s)})
		}
		return list
	}
}

func changes(of func(Change) float64) func(*Run) []point {
	return func(r *Run) (list []point) {
		for _, c := range r.Changes {
			list = append(list, point{float64(c.To), 100 * of(c)})
		}
		return list
	}
}

const (
	width, height = 720.0, 380.0
	gap           = 16.0 // between lines of text
)

func class(i int) string { return fmt.Sprintf("series s%d", i%8) }

// drawLines draws lines with a legend below, nothing where no line has two points. ticks
// are those of x, round values where nil.
func drawLines(title, xLabel, yLabel string, lines []line, ticks []float64) *chart.Drawing {
	var xs, ys []float64
	for _, l := range lines {
		for _, p := range l.points {
			if finite(p.y) {
				xs, ys = append(xs, p.x), append(ys, p.y)
			}
		}
	}
	if len(xs) < 2 || slices.Min(xs) == slices.Max(xs) {
		return nil
	}
	d := &chart.Drawing{Width: width, Height: height + gap*float64(len(lines))}
	x := chart.Axis{Low: slices.Min(xs), High: slices.Max(xs), From: 60, To: width - 20}
	y := chart.Around(ys, height-60, 52, 0.1, false)
	d.Text(0, 14, "start", "title", title)
	if ticks == nil {
		ticks = x.Ticks(8)
	}
	d.Frame(x, y, ticks, xLabel, yLabel)
	for i, l := range lines {
		var path [][2]float64
		for _, p := range l.points {
			if finite(p.y) {
				path = append(path, [2]float64{x.At(p.x), y.At(p.y)})
			}
		}
		if len(path) > 0 {
			d.Curve(class(i), l.name, path)
		}
		at := height + gap*float64(i)
		d.Line(60, at-4, 84, at-4, "bar "+class(i))
		d.Text(90, at, "start", "label "+class(i), l.name)
	}
	return d
}

// histograms has a line for each of at most eight checkpoints.
func (r *Run) histograms(title string) *chart.Drawing {
	shown := r.Snapshots
	for len(shown) > 8 {
		var half []Snapshot
		for i := (len(shown) + 1) % 2; i < len(shown); i += 2 {
			half = append(half, shown[i])
		}
		shown = half
	}
	var lines []line
	for _, s := range shown {
		l := line{name: fmt.Sprintf("step %d, loss %.3f", s.Step, s.Loss)}
		for i, share := range s.Histogram {
			l.points = append(l.points, point{(float64(i)+0.5)/bins*2*limit - limit, math.Log10(max(share, 1e-7))})
		}
		lines = append(lines, l)
	}
	return drawLines(title, fmt.Sprintf("latent weight; the outermost hold what lies beyond ±%g", limit), "share of weights, decimal logarithm", lines, []float64{-1, -0.5, 0, 0.5, 1})
}

// drawLandscape colours the loss from its least, light, to its most, dark, with the numbers
// of these and of the middle.
func (r *Run) drawLandscape(title string) *chart.Drawing {
	n := len(r.Landscape)
	if n == 0 {
		return nil
	}
	var all []float64
	for _, row := range r.Landscape {
		for _, v := range row {
			if finite(v) {
				all = append(all, v)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	least, most := all[0], all[len(all)-1]
	const side = 380.0
	d := &chart.Drawing{Width: width, Height: side + 90}
	d.Text(0, 14, "start", "title", title)
	cell := side / float64(n)
	for i, row := range r.Landscape {
		for j, v := range row {
			depth := 1.0
			if finite(v) && most > least {
				depth = (v - least) / (most - least)
			}
			a, b := (2*float64(i)/float64(n-1)-1)*r.Reach, (2*float64(j)/float64(n-1)-1)*r.Reach
			d.Addf(`<rect x="%.1f" y="%.1f" width="%.2f" height="%.2f" style="fill: var(--s0); fill-opacity: %.3f"><title>%s</title></rect>`,
				60+cell*float64(i), 40+cell*float64(n-1-j), cell+0.3, cell+0.3, depth, chart.Escape(fmt.Sprintf("%+.2f, %+.2f: loss %.4f", a, b, v)))
		}
	}
	for i, at := range []float64{-r.Reach, 0, r.Reach} {
		d.Text(60+side*float64(i)/2, 40+side+16, "middle", "label", fmt.Sprintf("%+g", at))
		d.Text(52, 40+side*(1-float64(i)/2)+4, "end", "label", fmt.Sprintf("%+g", at))
	}
	d.Text(60+side/2, 40+side+34, "middle", "label", "lengths of the weights along each direction")
	mid := n / 2
	for i, text := range []string{
		fmt.Sprintf("at the weights: %.3f", r.Landscape[mid][mid]), fmt.Sprintf("least, light: %.3f", least), fmt.Sprintf("most, dark: %.3f", most),
		fmt.Sprintf("one step away: %.3f on average", r.nearby()),
	} {
		d.Text(60+side+20, 60+gap*float64(i), "start", "label", text)
	}
	return d
}

// nearby is the mean loss of the eight points around the weights.
func (r *Run) nearby() float64 {
	mid, sum := len(r.Landscape)/2, 0.0
	for i := mid - 1; i <= mid+1; i++ {
		for j := mid - 1; j <= mid+1; j++ {
			if i != mid || j != mid {
				sum += r.Landscape[i][j] / 8
			}
		}
	}
	return sum
}

func finite(x float64) bool { return x-x == 0 }
