package chart

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style colours what is drawn. A page has it in its own style.
//
//go:embed style.css
var Style string

// Colors is how many series [Style] has, of the classes s0, s1 and so on.
const Colors = 8

// Drawing is an SVG picture. Its marks have classes, which [Style] colours.
type Drawing struct {
	Width, Height float64
	b             strings.Builder
	taken         []Box // by marks and labels
}

// Box is a rectangle that a label must not cover, or must stay within.
type Box struct{ X0, Y0, X1, Y1 float64 }

func (a Box) meets(b Box) bool { return a.X0 < b.X1 && b.X0 < a.X1 && a.Y0 < b.Y1 && b.Y0 < a.Y1 }

const lineHeight = 12.0 // of a label

// TextWidth is about how wide a label is, at most, in the picture's units.
func TextWidth(text string) (width float64) {
	for _, r := range text {
		switch {
		case r >= 0x1100: // written full width
			width += 12
		case strings.ContainsRune("MWmw@%—…", r):
			width += 11
		case unicode.IsUpper(r):
			width += 8.5
		case strings.ContainsRune("ijlt.,:;'|()[] ", r):
			width += 4.8
		default:
			width += 7
		}
	}
	return width
}

// Addf writes an element.
func (d *Drawing) Addf(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n", args...) }

// SVG is the picture as part of a page; title is what a reader of the screen is told.
func (d *Drawing) SVG(title string) template.HTML {
	return template.HTML(d.element("", title, ""))
}

// File is the picture as a file of its own.
func (d *Drawing) File(title string) []byte {
	back := fmt.Sprintf("<style>%s</style>\n<rect width=\"100%%\" height=\"100%%\" style=\"fill: var(--back)\"/>\n", Style)
	size := fmt.Sprintf(` xmlns="http://www.w3.org/2000/svg" width="%g" height="%g"`, d.Width, d.Height)
	return []byte(d.element(size, title, back) + "\n")
}

func (d *Drawing) element(attributes, title, before string) string {
	return fmt.Sprintf("<svg%s viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n%s%s</svg>", attributes, d.Width, d.Height, Escape(title), before, d.b.String())
}

// Escape is a text as SVG and HTML have it.
func Escape(text string) string { return template.HTMLEscapeString(text) }

// Line is one of a class.
func (d *Drawing) Line(x0, y0, x1, y1 float64, class string) {
	d.Addf(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x0, y0, x1, y1)
}

// Curve is a line through points, with a text that shows when it is pointed at.
func (d *Drawing) Curve(class, title string, points [][2]float64) {
	var path strings.Builder
	for i, p := range points {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], p[0], p[1])
	}
	d.Addf(`<path class="curve %s" d="%s"><title>%s</title></path>`, class, path.String(), Escape(title))
}

// Text writes at a point; anchor is start, middle or end.
func (d *Drawing) Text(x, y float64, anchor, class, text string) {
	d.Addf(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, class, x, y, anchor, Escape(text))
}

// Slanted writes a text that ends at a point and rises to it.
func (d *Drawing) Slanted(x, y float64, class, text string) {
	d.Addf(`<text class="%s" text-anchor="end" transform="translate(%.1f %.1f) rotate(-35)">%s</text>`, class, x, y, Escape(text))
}

// Mark is a shape of about the area of a circle of radius r, with a text that shows when
// it is pointed at.
func (d *Drawing) Mark(shape string, x, y, r float64, class, title string) {
	switch shape {
	case "diamond":
		s := r * math.Sqrt(math.Pi/2)
		d.Addf(`<path class="%s" d="M%.1f %.1fL%.1f %.1fL%.1f %.1fL%.1f %.1fZ"><title>%s</title></path>`, class, x, y-s, x+s, y, x, y+s, x-s, y, Escape(title))
	case "square":
		s := r * math.Sqrt(math.Pi) / 2
		d.Addf(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`, class, x-s, y-s, 2*s, 2*s, Escape(title))
	case "triangle":
		s := r * 1.35
		d.Addf(`<path class="%s" d="M%.1f %.1fL%.1f %.1fL%.1f %.1fZ"><title>%s</title></path>`, class, x, y-s, x+s*0.87, y+s/2, x-s*0.87, y+s/2, Escape(title))
	default:
		d.Addf(`<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"><title>%s</title></circle>`, class, x, y, r, Escape(title))
	}
}

// Keep keeps labels off a mark.
func (d *Drawing) Keep(x, y, r float64) { d.taken = append(d.taken, Box{x - r, y - r, x + r, y + r}) }

// Side is where a label may stand.
type Side int

const (
	Anywhere Side = iota
	Right
)

// Label writes a text near a mark of radius r, where nothing else is, within the area.
func (d *Drawing) Label(x, y, r float64, class, text string, where Side, area Box) {
	text = Short(text)
	w := TextWidth(text)
	starts := []float64{x + r + 3, x - r - 3 - w, x - w/2}
	if where == Right {
		starts = starts[:1]
	}
	at := Box{}
	for row := range 8 {
		away := float64((row+1)/2) * lineHeight
		if row%2 == 1 {
			away = -away
		}
		for _, left := range starts {
			at = Box{left, y + away - lineHeight/2, left + w, y + away + lineHeight/2}
			if at.X0 < area.X0 || at.X1 > area.X1 || at.Y0 < area.Y0 || at.Y1 > area.Y1 || slices.ContainsFunc(d.taken, at.meets) {
				continue
			}
			d.taken = append(d.taken, at)
			if math.Abs(away) > lineHeight {
				d.Line(x, y, min(max(x, at.X0), at.X1), at.Y0+lineHeight/2, "lead")
			}
			d.Text(at.X0, at.Y1-3, "start", class, text)
			return
		}
	}
	d.taken = append(d.taken, at)
	d.Text(min(max(at.X0, area.X0), area.X1-w), at.Y1-3, "start", class, text)
}

// Spread moves places, given in ascending order, apart to at least gap between neighbours
// within low and high, where they fit there.
func Spread(places []float64, gap, low, high float64) []float64 {
	moved := slices.Clone(places)
	for i := range moved {
		moved[i] = max(moved[i], low+float64(i)*gap)
		if i > 0 {
			moved[i] = max(moved[i], moved[i-1]+gap)
		}
	}
	for i, limit := len(moved)-1, high; i >= 0; i-- {
		moved[i] = min(moved[i], limit)
		limit = moved[i] - gap
	}
	return moved
}

// Short is a name that fits a picture; the mark's title has it whole.
func Short(text string) string {
	const most = 30
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// Axis takes values to the picture's units.
type Axis struct {
	Low, High float64 // values
	From, To  float64 // units
	Log       bool
}

// At is the place of a value.
func (a Axis) At(v float64) float64 {
	low, high := a.Low, a.High
	if a.Log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return a.From + (v-low)/(high-low)*(a.To-a.From)
}

// Around is an axis that holds the values with some room, on a linear one at least least.
func Around(values []float64, from, to, least float64, log bool) Axis {
	low, high := slices.Min(values), slices.Max(values)
	if log {
		room := max(1.12, math.Pow(high/low, 0.06))
		return Axis{low / room, high * room, from, to, true}
	}
	room := max(0.08*(high-low), least)
	return Axis{low - room, high + room, from, to, false}
}

// Ticks are round values along the axis, about n of them.
func (a Axis) Ticks(n int) []float64 {
	var list []float64
	if a.Log {
		for decade := math.Floor(math.Log10(a.Low)); decade <= math.Log10(a.High); decade++ {
			for _, digit := range []float64{1, 2, 5} {
				if v := digit * math.Pow(10, decade); v >= a.Low && v <= a.High {
					list = append(list, v)
				}
			}
		}
		return list
	}
	step := math.Pow(10, math.Floor(math.Log10((a.High-a.Low)/float64(n))))
	for _, digit := range []float64{1, 2, 5, 10} {
		if (a.High-a.Low)/(digit*step) <= float64(n) {
			step *= digit
			break
		}
	}
	for i := math.Ceil(a.Low / step); i*step <= a.High; i++ {
		list = append(list, i*step+0) // no −0
	}
	return list
}

// Frame draws axes with a grid.
func (d *Drawing) Frame(x, y Axis, xTicks []float64, xLabel, yLabel string) {
	heights := y.Ticks(6)
	texts := TickTexts(heights)
	for i, v := range heights {
		d.Line(x.From, y.At(v), x.To, y.At(v), "grid")
		d.Text(x.From-6, y.At(v)+4, "end", "tick", texts[i])
	}
	texts = TickTexts(xTicks)
	for i, v := range xTicks {
		d.Line(x.At(v), y.From, x.At(v), y.From+4, "axis")
		d.Text(x.At(v), y.From+16, "middle", "tick", texts[i])
	}
	d.Line(x.From, y.From, x.To, y.From, "axis")
	d.Text((x.From+x.To)/2, y.From+32, "middle", "tick", xLabel)
	d.Text(x.From-34, y.To-15, "start", "tick", yLabel)
}

// TickTexts are the values of an axis' ticks, with as many decimals as one of them takes.
func TickTexts(values []float64) []string {
	decimals := 0
	for _, v := range values {
		short := strconv.FormatFloat(v, 'g', 6, 64)
		if dot := strings.IndexByte(short, '.'); dot >= 0 && !strings.Contains(short, "e") {
			decimals = max(decimals, len(short)-dot-1)
		}
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = strconv.FormatFloat(v, 'f', decimals, 64)
	}
	return texts
}
