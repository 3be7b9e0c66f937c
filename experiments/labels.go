package experiments

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// pointNames writes a name beside each point, where no other name or point is as long
// as there is such a place. It is a plotter; gonum's labels know nothing of each
// other.
type pointNames struct {
	plotter.XYLabels
	style text.Style
}

// Plot implements plot.Plotter.
func (n pointNames) Plot(c draw.Canvas, p *plot.Plot) {
	const radius, gap = 5, 7
	x, y := p.Transforms(&c)
	var taken []vg.Rectangle
	points := make([]vg.Point, len(n.XYs))
	for i, at := range n.XYs {
		points[i] = vg.Point{X: x(at.X), Y: y(at.Y)}
		taken = append(taken, box(points[i].Sub(vg.Point{X: radius, Y: radius}), 2*radius, 2*radius))
	}
	for i, name := range n.Labels {
		r := n.style.Rectangle(name)
		at := besides(points[i], r.Size(), gap, taken)
		taken = append(taken, box(at.Sub(vg.Point{X: radius}), r.Size().X+2*radius, r.Size().Y))
		c.FillText(n.style, at.Sub(r.Min), name)
	}
}

func box(at vg.Point, width, height vg.Length) vg.Rectangle {
	return vg.Rectangle{Min: at, Max: at.Add(vg.Point{X: width, Y: height})}
}

// besides is the lower left corner of a text beside a point: on the right, else
// on the left, above the point's middle or below it, and further away the more is
// taken.
func besides(point, size vg.Point, gap vg.Length, taken []vg.Rectangle) vg.Point {
	const rows = 6
	right, left := point.X+gap, point.X-gap-size.X
	for row := range rows {
		up, down := point.Y+vg.Length(row)*size.Y, point.Y-vg.Length(row+1)*size.Y
		for _, at := range []vg.Point{{X: right, Y: up}, {X: right, Y: down}, {X: left, Y: up}, {X: left, Y: down}} {
			if !slices.ContainsFunc(taken, func(t vg.Rectangle) bool { return meet(box(at, size.X, size.Y), t) }) {
				return at
			}
		}
	}
	return vg.Point{X: right, Y: point.Y}
}

func meet(a, b vg.Rectangle) bool {
	return a.Min.X < b.Max.X && b.Min.X < a.Max.X && a.Min.Y < b.Max.Y && b.Min.Y < a.Max.Y
}
