package experiments

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/internal/chart"
	"mobilellm/train"
)

// Curve is how a run's loss went.
type Curve struct {
	Seed              uint64
	Heldout, Training []lossAt // Training in at most curvePoints means
}

// lossAt is a loss in nats per token after so many tokens.
type lossAt struct{ tokens, loss float64 }

const (
	curvePoints = 100
	// curveFrom is the share of the tokens before which curves are not shown: the fall from
	// the loss of chance would take the room of all the rest.
	curveFrom = 0.05
)

// memberCurve reads a run's curve, which is empty where its metrics are not there.
func memberCurve(dir string, m Status) (Curve, error) {
	c, err := readCurve(filepath.Join(dir, m.ID))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	c.Seed = m.Seed
	return c, err
}

func readCurve(dir string) (Curve, error) {
	var c Curve
	steps, heldout, err := train.ReadMetrics(dir)
	if err != nil {
		return c, err
	}
	tokens := make(map[int64]float64, len(steps))
	for _, s := range steps {
		tokens[s.Step] = float64(s.Tokens)
	}
	for _, h := range heldout {
		if at, ok := tokens[h.Step]; (ok || h.Step == 0) && h.HeldoutLoss.Finite() {
			c.Heldout = append(c.Heldout, lossAt{at, float64(h.HeldoutLoss)})
		}
	}
	for part := range slices.Chunk(steps, max(1, (len(steps)+curvePoints-1)/curvePoints)) {
		var mean lossAt
		for _, s := range part {
			mean.tokens += float64(s.Tokens) / float64(len(part))
			mean.loss += s.Loss / float64(len(part))
		}
		c.Training = append(c.Training, mean)
	}
	return c, nil
}

// curvePlot has a line for each run in its member's colour: of the held-out loss where a
// run was scored more than once, else of the training loss. It draws nothing where no run
// has two points.
func (g *Group) curvePlot(suffix string) (*chart.Drawing, string) {
	what, of := "Held-out loss", func(c Curve) []lossAt { return c.Heldout }
	if !g.anyCurve(of) {
		what, of = "Training loss", func(c Curve) []lossAt { return c.Training }
	}
	var courses []course
	for _, m := range g.Results {
		one := course{name: m.Name}
		for _, c := range m.Curves {
			one.runs = append(one.runs, of(c))
			one.titles = append(one.titles, fmt.Sprintf("%s, seed %d", m.Name, c.Seed))
		}
		courses = append(courses, one)
	}
	title := what + " of each run" + suffix
	return drawCourses(title, courses), title
}

// course is what one name stands for: a line for each run.
type course struct {
	name   string
	runs   [][]lossAt
	titles []string // of each
	dots   bool
}

// drawCourses draws loss over tokens, nothing where no line has two points.
func drawCourses(title string, courses []course) *chart.Drawing {
	var last, names float64
	long := false
	for _, c := range courses {
		names = max(names, chart.TextWidth(chart.Short(c.name)))
		for _, points := range c.runs {
			long = long || len(points) > 1
			for _, p := range points {
				last = max(last, p.tokens)
			}
		}
	}
	var losses []float64
	for _, c := range courses {
		for i, points := range c.runs {
			c.runs[i] = slices.DeleteFunc(slices.Clone(points), func(p lossAt) bool { return p.tokens < curveFrom*last })
			for _, p := range c.runs[i] {
				losses = append(losses, p.loss)
			}
		}
	}
	if !long || len(losses) == 0 {
		return nil
	}
	d := &chart.Drawing{Width: pictureWidth, Height: max(340, 110+endingGap*float64(len(courses)))}
	x := chart.Axis{High: last, From: 50, To: pictureWidth - names - 24}
	y := chart.Around(losses, d.Height-50, 50, 0.01, false)
	unit, scale := "tokens", 1.0
	switch {
	case last >= 1e9:
		unit, scale = "billion tokens", 1e9
	case last >= 1e6:
		unit, scale = "million tokens", 1e6
	}
	d.Text(0, 14, "start", "title", title)
	d.Frame(chart.Axis{High: last / scale, From: x.From, To: x.To}, y, chart.Axis{High: last / scale, From: x.From, To: x.To}.Ticks(8), unit, "nats per token, lower is better")
	type ending struct {
		course int
		y      float64
	}
	var endings []ending
	for i, c := range courses {
		end, runs := 0.0, 0.0
		for j, points := range c.runs {
			if len(points) == 0 {
				continue
			}
			var line [][2]float64
			for _, p := range points {
				line = append(line, [2]float64{x.At(p.tokens), y.At(p.loss)})
			}
			final := points[len(points)-1]
			d.Curve(series(i), fmt.Sprintf("%s: %.4f after %.4g %s", c.titles[j], final.loss, final.tokens/scale, unit), line)
			for k, p := range points {
				if c.dots {
					d.Mark("circle", line[k][0], line[k][1], 3, "dot "+series(i), fmt.Sprintf("%s: %.4f after %.4g %s", c.titles[j], p.loss, p.tokens/scale, unit))
				}
			}
			end, runs = end+y.At(final.loss), runs+1
		}
		if runs > 0 {
			endings = append(endings, ending{i, end / runs})
		}
	}
	slices.SortStableFunc(endings, func(a, b ending) int { return cmp.Compare(a.y, b.y) })
	var places []float64
	for _, e := range endings {
		places = append(places, e.y)
	}
	for k, at := range chart.Spread(places, endingGap, y.To, y.From) {
		d.Line(x.To+3, endings[k].y, x.To+15, at, "lead")
		d.Text(x.To+18, at+4, "start", "label "+series(endings[k].course), chart.Short(courses[endings[k].course].name))
	}
	return d
}

// RunCurves is an SVG picture of how the training loss and the held-out loss of runs went,
// from their metrics.jsonl. It is an error where none has two points.
func RunCurves(dirs []string) ([]byte, error) {
	var courses []course
	for _, dir := range dirs {
		c, err := readCurve(dir)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(dir)
		for _, kind := range []struct {
			what   string
			points []lossAt
			dots   bool
		}{{"training", c.Training, false}, {"held out", c.Heldout, true}} {
			title := kind.what
			if len(dirs) > 1 {
				title = name + ", " + kind.what
			}
			if len(kind.points) > 0 {
				title += fmt.Sprintf(" %.3f", kind.points[len(kind.points)-1].loss)
			}
			courses = append(courses, course{title, [][]lossAt{kind.points}, []string{name + ", " + kind.what}, kind.dots})
		}
	}
	title := "Loss of " + filepath.Base(dirs[0])
	if len(dirs) > 1 {
		title = "Loss of runs"
	}
	d := drawCourses(title, courses)
	if d == nil {
		return nil, fmt.Errorf("%s: %s has no two losses to draw a line through", strings.Join(dirs, ", "), train.MetricsFile)
	}
	return d.File(title), nil
}

// endingGap is the least distance between the names at curves' ends.
const endingGap = 14

func (g *Group) anyCurve(of func(Curve) []lossAt) bool {
	return slices.ContainsFunc(g.Results, func(m Result) bool {
		return slices.ContainsFunc(m.Curves, func(c Curve) bool { return len(of(c)) > 1 })
	})
}
