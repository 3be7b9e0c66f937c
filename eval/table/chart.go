package table

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// drawing is an SVG picture. Its marks have classes, which the page's style colours.
type drawing struct {
	b             strings.Builder
	width, height float64
	taken         []box // by marks and labels
}

// box is a rectangle that a label must not cover.
type box struct{ x0, y0, x1, y1 float64 }

func (a box) meets(b box) bool { return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1 }

// charWidth and lineHeight are those of a label, in the picture's units; ours are bold.
const charWidth, boldWidth, lineHeight = 6.5, 7.2, 12.0

func (d *drawing) addf(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n", args...) }

// svg is the picture; title is what a reader of the screen is told.
func (d *drawing) svg(title string) template.HTML {
	return template.HTML(fmt.Sprintf("<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n%s</svg>", d.width, d.height, escape(title), d.b.String()))
}

func escape(text string) string { return template.HTMLEscapeString(text) }

func (d *drawing) line(x0, y0, x1, y1 float64, class string) {
	d.addf(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x0, y0, x1, y1)
}

// text writes at a point; anchor is start, middle or end.
func (d *drawing) text(x, y float64, anchor, class, text string) {
	d.addf(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, class, x, y, anchor, escape(text))
}

// slanted writes a text that ends at a point and rises to it.
func (d *drawing) slanted(x, y float64, class, text string) {
	d.addf(`<text class="%s" text-anchor="end" transform="translate(%.1f %.1f) rotate(-35)">%s</text>`, class, x, y, escape(text))
}

// mark is a shape of about the area of a circle of radius r, with a text that shows when
// it is pointed at.
func (d *drawing) mark(shape string, x, y, r float64, class, title string) {
	switch shape {
	case "diamond":
		s := r * math.Sqrt(math.Pi/2)
		d.addf(`<path class="%s" d="M%.1f %.1fL%.1f %.1fL%.1f %.1fL%.1f %.1fZ"><title>%s</title></path>`, class, x, y-s, x+s, y, x, y+s, x-s, y, escape(title))
	case "square":
		s := r * math.Sqrt(math.Pi) / 2
		d.addf(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`, class, x-s, y-s, 2*s, 2*s, escape(title))
	case "triangle":
		s := r * 1.35
		d.addf(`<path class="%s" d="M%.1f %.1fL%.1f %.1fL%.1f %.1fZ"><title>%s</title></path>`, class, x, y-s, x+s*0.87, y+s/2, x-s*0.87, y+s/2, escape(title))
	default:
		d.addf(`<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"><title>%s</title></circle>`, class, x, y, r, escape(title))
	}
}

// keep keeps labels off a mark.
func (d *drawing) keep(x, y, r float64) { d.taken = append(d.taken, box{x - r, y - r, x + r, y + r}) }

// side is where a label may stand.
type side int

const (
	anywhere side = iota
	right
)

// label writes a text near a mark of radius r, where nothing else is, within the area.
func (d *drawing) label(x, y, r float64, class, text string, where side, area box) {
	text = short(text)
	width := charWidth
	if class == "label ours" {
		width = boldWidth
	}
	w := width * float64(utf8.RuneCountInString(text))
	starts := []float64{x + r + 3, x - r - 3 - w, x - w/2}
	if where == right {
		starts = starts[:1]
	}
	at := box{}
	for row := range 8 {
		away := float64((row+1)/2) * lineHeight
		if row%2 == 1 {
			away = -away
		}
		for _, left := range starts {
			at = box{left, y + away - lineHeight/2, left + w, y + away + lineHeight/2}
			if at.x0 < area.x0 || at.x1 > area.x1 || at.y0 < area.y0 || at.y1 > area.y1 || slices.ContainsFunc(d.taken, at.meets) {
				continue
			}
			d.taken = append(d.taken, at)
			if math.Abs(away) > lineHeight {
				d.line(x, y, min(max(x, at.x0), at.x1), at.y0+lineHeight/2, "lead")
			}
			d.text(at.x0, at.y1-3, "start", class, text)
			return
		}
	}
	d.taken = append(d.taken, at)
	d.text(min(max(at.x0, area.x0), area.x1-w), at.y1-3, "start", class, text)
}

// short is a name that fits a picture; the mark's title has it whole.
func short(text string) string {
	const most = 30
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// axis takes values to the picture's units.
type axis struct {
	low, high float64 // values
	from, to  float64 // units
	log       bool
}

func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// around is an axis that holds the values with some room.
func around(values []float64, from, to float64, log bool) axis {
	low, high := slices.Min(values), slices.Max(values)
	if log {
		room := max(1.12, math.Pow(high/low, 0.06))
		return axis{low / room, high * room, from, to, true}
	}
	room := max(0.08*(high-low), 0.5)
	return axis{low - room, high + room, from, to, false}
}

// ticks are round values along the axis, about n of them.
func (a axis) ticks(n int) []float64 {
	var list []float64
	if a.log {
		for decade := math.Floor(math.Log10(a.low)); decade <= math.Log10(a.high); decade++ {
			for _, digit := range []float64{1, 2, 5} {
				if v := digit * math.Pow(10, decade); v >= a.low && v <= a.high {
					list = append(list, v)
				}
			}
		}
		return list
	}
	step := math.Pow(10, math.Floor(math.Log10((a.high-a.low)/float64(n))))
	for _, digit := range []float64{1, 2, 5, 10} {
		if (a.high-a.low)/(digit*step) <= float64(n) {
			step *= digit
			break
		}
	}
	for i := math.Ceil(a.low / step); i*step <= a.high; i++ {
		list = append(list, i*step+0) // no −0
	}
	return list
}

// frame draws axes with a grid.
func (d *drawing) frame(x, y axis, xTicks []float64, xLabel, yLabel string) {
	for _, v := range y.ticks(6) {
		d.line(x.from, y.at(v), x.to, y.at(v), "grid")
		d.text(x.from-6, y.at(v)+4, "end", "tick", tickText(v))
	}
	for _, v := range xTicks {
		d.line(x.at(v), y.from, x.at(v), y.from+4, "axis")
		d.text(x.at(v), y.from+16, "middle", "tick", tickText(v))
	}
	d.line(x.from, y.from, x.to, y.from, "axis")
	d.text((x.from+x.to)/2, y.from+32, "middle", "tick", xLabel)
	d.text(x.from-34, y.to-10, "start", "tick", yLabel)
}

func tickText(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
