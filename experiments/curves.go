package experiments

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

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

// readCurve reads a run's curve, which is empty where its metrics are not there.
func readCurve(dir string, m Status) (Curve, error) {
	c := Curve{Seed: m.Seed}
	steps, heldout, err := train.ReadMetrics(filepath.Join(dir, m.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
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
	if !g.anyCurve(of) {
		return nil, ""
	}
	var last float64
	for _, m := range g.Results {
		for _, c := range m.Curves {
			for _, p := range of(c) {
				last = max(last, p.tokens)
			}
		}
	}
	var losses []float64
	type ending struct {
		member int
		y      float64
	}
	var endings []ending
	shown := make([][][]lossAt, len(g.Results)) // member, run
	for i, m := range g.Results {
		for _, c := range m.Curves {
			points := slices.DeleteFunc(slices.Clone(of(c)), func(p lossAt) bool { return p.tokens < curveFrom*last })
			for _, p := range points {
				losses = append(losses, p.loss)
			}
			shown[i] = append(shown[i], points)
		}
	}
	if len(losses) == 0 {
		return nil, ""
	}
	d := &chart.Drawing{Width: pictureWidth, Height: max(340, 110+endingGap*float64(len(g.Results)))}
	x := chart.Axis{High: last, From: 50, To: pictureWidth - g.nameWidth() - 24}
	y := chart.Around(losses, d.Height-50, 50, 0.01, false)
	unit, scale := "tokens", 1.0
	switch {
	case last >= 1e9:
		unit, scale = "billion tokens", 1e9
	case last >= 1e6:
		unit, scale = "million tokens", 1e6
	}
	title := what + " of each run" + suffix
	d.Text(0, 14, "start", "title", title)
	d.Frame(chart.Axis{High: last / scale, From: x.From, To: x.To}, y, chart.Axis{High: last / scale, From: x.From, To: x.To}.Ticks(8), unit, "nats per token, lower is better")
	for i, m := range g.Results {
		end, runs := 0.0, 0.0
		for j, points := range shown[i] {
			if len(points) == 0 {
				continue
			}
			var line [][2]float64
			for _, p := range points {
				line = append(line, [2]float64{x.At(p.tokens), y.At(p.loss)})
			}
			final := points[len(points)-1]
			d.Curve(series(i), fmt.Sprintf("%s, seed %d: %.4f after %.4g %s", m.Name, m.Curves[j].Seed, final.loss, final.tokens/scale, unit), line)
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
		d.Text(x.To+18, at+4, "start", "label "+series(endings[k].member), chart.Short(g.Results[endings[k].member].Name))
	}
	return d, title
}

// endingGap is the least distance between the names at curves' ends.
const endingGap = 14

func (g *Group) anyCurve(of func(Curve) []lossAt) bool {
	return slices.ContainsFunc(g.Results, func(m Result) bool {
		return slices.ContainsFunc(m.Curves, func(c Curve) bool { return len(of(c)) > 1 })
	})
}
