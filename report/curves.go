package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"mobilellm/internal/chart"
)

// Curves are lines over the course of runs.
type Curves struct {
	Title string  `json:"title"`
	Unit  string  `json:"unit"`  // of y
	Least float64 `json:"least"` // of the room around the values, in that unit
	// Late leaves out the first twentieth as long as the whole range is shown: the fall
	// from the loss of chance would take the room of all the rest.
	Late  bool   `json:"late"`
	Lines []Line `json:"lines"`
	Marks []Mark `json:"marks,omitempty"`

	half bool
}

// Line is a quantity of a run over its course.
type Line struct {
	Name   string      `json:"name"`  // at its end; lines of one name share it
	Title  string      `json:"title"` // when it is pointed at
	Run    string      `json:"run"`   // to show and hide by
	Color  int         `json:"color"`
	Kind   Kind        `json:"kind"`
	Points []LinePoint `json:"points"`
}

// Mark is a moment of a run.
type Mark struct {
	Title string    `json:"title"`
	Run   string    `json:"run"`
	Color int       `json:"color"`
	At    LinePoint `json:"at"` // of no value
}

// Kind is how a line is drawn.
type Kind string

const (
	Plain Kind = ""
	Dots  Kind = "dots"  // with a mark at each point
	Faint Kind = "faint" // as the unsmoothed values of another
)

// LinePoint is a value and where it lies on each axis: steps, tokens, seconds.
type LinePoint [4]float64

// MarshalJSON writes six digits, which are more than a screen has.
func (p LinePoint) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%.6g,%.6g,%.6g,%.6g]", p[0], p[1], p[2], p[3]), nil
}

const (
	atStep, atTokens, atSeconds, atValue = 0, 1, 2, 3

	pictureWidth = 900 // of a picture, in its own units
	halfWidth    = 560
	lateFrom     = 0.05
	endingGap    = 14   // least distance between the names at lines' ends
	mostPoints   = 4000 // of a figure, or 60 a line
)

// Series is the class of a run's marks, which gives it a colour.
func Series(i int) string {
	class := fmt.Sprintf("series s%d", i%chart.Colors)
	return class + [...]string{"", " dashed", " dotted"}[i/chart.Colors%3]
}

// Figure draws the lines over tokens. It reports false where no line has two points.
func (c *Curves) Figure() (Figure, bool) {
	c.Lines = slices.DeleteFunc(c.Lines, func(l Line) bool { return len(l.Points) == 0 })
	if len(c.Lines) == 0 {
		return Figure{}, false
	}
	for i, l := range c.Lines {
		c.Lines[i].Points = thin(l.Points, max(60, mostPoints/len(c.Lines)))
	}
	d := c.draw()
	return Figure{Title: c.Title, Half: c.half, static: d, curves: c}, d != nil
}

func (c *Curves) draw() *chart.Drawing {
	var last, names float64
	long := false
	for _, l := range c.Lines {
		names = max(names, chart.TextWidth(chart.Short(l.Name)))
		long = long || len(l.Points) > 1
		for _, p := range l.Points {
			last = max(last, p[atTokens])
		}
	}
	shown := make([][]LinePoint, len(c.Lines))
	var values []float64
	for i, l := range c.Lines {
		for _, p := range l.Points {
			if finite(p[atValue]) && (!c.Late || p[atTokens] >= lateFrom*last) {
				shown[i] = append(shown[i], p)
				values = append(values, p[atValue])
			}
		}
	}
	if !long || len(values) == 0 || last == 0 {
		return nil
	}
	width, height := float64(pictureWidth), 340.0
	if c.half {
		width, height = halfWidth, 260
	}
	d := &chart.Drawing{Width: width, Height: max(height, 110+endingGap*float64(c.names()))}
	x := chart.Axis{High: last, From: 56, To: width - names - 24}
	y := chart.Around(values, d.Height-50, 50, c.Least, false)
	unit, scale := "tokens", 1.0
	switch {
	case last >= 1e9:
		unit, scale = "billion tokens", 1e9
	case last >= 1e6:
		unit, scale = "million tokens", 1e6
	case last >= 1e4:
		unit, scale = "thousand tokens", 1e3
	}
	d.Text(0, 14, "start", "title", c.Title)
	scaled := chart.Axis{High: last / scale, From: x.From, To: x.To}
	d.Frame(scaled, y, scaled.Ticks(int(width)/110), unit, c.Unit)
	for _, m := range c.Marks {
		if at := m.At[atTokens]; at <= last {
			d.Line(x.At(at), y.To, x.At(at), y.From, "mark "+Series(m.Color))
		}
	}
	type ending struct {
		name   string
		color  int
		places []float64
	}
	var endings []*ending
	for i, l := range c.Lines {
		if len(shown[i]) == 0 {
			continue
		}
		var line [][2]float64
		for _, p := range shown[i] {
			line = append(line, [2]float64{x.At(p[atTokens]), y.At(p[atValue])})
		}
		class := Series(l.Color)
		if l.Kind == Faint {
			class += " faint"
		}
		told := func(p LinePoint) string {
			return fmt.Sprintf("%s: %.4g after %.4g %s", l.Title, p[atValue], p[atTokens]/scale, unit)
		}
		final := len(line) - 1
		d.Curve(class, told(shown[i][final]), line)
		if l.Kind == Dots {
			for k, p := range shown[i] {
				d.Mark("circle", line[k][0], line[k][1], 3, "dot "+Series(l.Color), told(p))
			}
		}
		if l.Name == "" {
			continue
		}
		at := slices.IndexFunc(endings, func(e *ending) bool { return e.name == l.Name })
		if at < 0 {
			at, endings = len(endings), append(endings, &ending{name: l.Name, color: l.Color})
		}
		endings[at].places = append(endings[at].places, line[final][1])
	}
	mean := func(e *ending) (sum float64) {
		for _, p := range e.places {
			sum += p / float64(len(e.places))
		}
		return sum
	}
	slices.SortStableFunc(endings, func(a, b *ending) int { return cmp.Compare(mean(a), mean(b)) })
	var places []float64
	for _, e := range endings {
		places = append(places, mean(e))
	}
	for k, at := range chart.Spread(places, endingGap, y.To, y.From) {
		d.Line(x.To+3, places[k], x.To+15, at, "lead")
		d.Text(x.To+18, at+4, "start", "label "+Series(endings[k].color), chart.Short(endings[k].name))
	}
	return d
}

// names counts the names at lines' ends.
func (c *Curves) names() int {
	seen := map[string]bool{}
	for _, l := range c.Lines {
		if l.Name != "" {
			seen[l.Name] = true
		}
	}
	return len(seen)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// thin leaves at most most points or so, the least and the largest of each part of the
// line, so that no spike is lost.
func thin(points []LinePoint, most int) []LinePoint {
	if len(points) <= most {
		return points
	}
	var list []LinePoint
	size := (2*len(points) + most - 1) / most
	for part := range slices.Chunk(points, size) {
		low, high := 0, 0
		for i, p := range part {
			if p[atValue] < part[low][atValue] {
				low = i
			}
			if p[atValue] > part[high][atValue] {
				high = i
			}
		}
		list = append(list, part[min(low, high)])
		if low != high {
			list = append(list, part[max(low, high)])
		}
	}
	return list
}

// smoothed is the exponential running mean over a fiftieth of the points, without a bias
// to where it begins.
func smoothed(points []LinePoint) []LinePoint {
	keep := 1 - 1/max(1, float64(len(points))/50)
	mean, weight := 0.0, 0.0
	list := make([]LinePoint, 0, len(points))
	for _, p := range points {
		mean, weight = keep*mean+(1-keep)*p[atValue], keep*weight+(1-keep)
		p[atValue] = mean / weight
		list = append(list, p)
	}
	return list
}
