package experiments

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"mobilellm/report"
)

// Curve is how a run's loss went.
type Curve struct {
	Seed              uint64
	Heldout, Training []report.LinePoint
}

// memberCurve reads a run's curve, which is empty where its metrics are not there.
func memberCurve(dir string, m Status) (Curve, error) {
	c := Curve{Seed: m.Seed}
	r, err := report.OpenRun(filepath.Join(dir, m.ID))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case err != nil:
		return c, err
	}
	c.Heldout, c.Training = r.HeldoutLine(), r.LossLine()
	return c, nil
}

// curvePlot has a line for each run in its member's colour: of the held-out loss where a
// run was scored more than once, else of the training loss. It draws nothing where no run
// has two points.
func (g *Group) curvePlot(suffix string) (report.Figure, bool) {
	what, of := "Held-out loss", func(c Curve) []report.LinePoint { return c.Heldout }
	if !g.anyCurve(of) {
		what, of = "Training loss", func(c Curve) []report.LinePoint { return c.Training }
	}
	curves := &report.Curves{Title: what + " of each run" + suffix, Unit: "nats per token, lower is better", Least: 0.01, Late: true}
	for i, m := range g.Results {
		for _, c := range m.Curves {
			curves.Lines = append(curves.Lines, report.Line{Name: m.Name, Title: fmt.Sprintf("%s, seed %d", m.Name, c.Seed), Run: m.Name, Color: i, Points: of(c)})
		}
	}
	return curves.Figure()
}

func (g *Group) anyCurve(of func(Curve) []report.LinePoint) bool {
	return slices.ContainsFunc(g.Results, func(m Result) bool {
		return slices.ContainsFunc(m.Curves, func(c Curve) bool { return len(of(c)) > 1 })
	})
}
