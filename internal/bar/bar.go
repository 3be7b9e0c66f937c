// Package bar draws progress on a terminal: lines that fit it whatever its width, also
// while it is resized.
//
// The width is read at each redraw, and the cursor waits at the beginning of what was
// drawn. So a terminal that breaks the line anew when it becomes narrower has the cursor
// where the line begins, and the next redraw clears all of it.
package bar

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Part is a piece of a bar's line. What is too long for the terminal becomes so, in this
// order: the gauge is drawn shorter; parts of the least Keep go, of equal ones the last
// first; what is left says its Short; the end is cut off.
type Part struct {
	Text  string
	Short string // empty for none
	Keep  int    // Always for a part that stays
}

// Always marks a part that is never left out. The gauge and its percentage go after
// parts of a Keep below theirs.
const (
	keepPercent = 2
	keepGauge   = 4
	Always      = 9
)

const (
	wideGauge   = 20 // columns within its ends
	narrowGauge = 10
	// between two redraws at least
	between = 100 * time.Millisecond
)

// Bar is what is drawn on a terminal.
type Bar struct {
	w     io.Writer
	size  func() (columns, rows int)
	drawn int // lines
	last  time.Time
}

// New draws on w, which is a terminal.
func New(w io.Writer) *Bar { return &Bar{w: w, size: func() (int, int) { return size(w) }} }

// IsTerminal says whether a bar can be drawn on f.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// size is that of the terminal, or the size that terminals have.
func size(w io.Writer) (columns, rows int) {
	if f, ok := w.(*os.File); ok {
		if columns, rows, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && rows > 0 {
			return columns, rows
		}
	}
	return 80, 24
}

// Columns is the width of a terminal, 80 where f is none.
func Columns(f *os.File) int {
	columns, _ := size(f)
	return columns
}

// Draw draws how much of total is done, ten times a second at most. What cannot be
// drawn is no reason to stop.
func (b *Bar) Draw(done, total int64, parts ...Part) {
	if b.drawn > 0 && done < total && time.Since(b.last) < between {
		return
	}
	columns, _ := b.size()
	b.replace([]string{line(columns-1, done, total, parts)})
}

// Lines draws a line with a gauge and others below it, each cut to the terminal's width,
// as many as it has rows.
func (b *Bar) Lines(done, total int64, first string, below []string) {
	columns, rows := b.size()
	lines := []string{line(columns-1, done, total, []Part{{Text: first, Keep: Always}})}
	for _, text := range below {
		lines = append(lines, cut(text, columns-1))
	}
	b.replace(lines[:max(1, min(len(lines), rows-1))])
}

// erase takes away all from the line's beginning on.
const erase = "\r\x1b[J"

// replace draws over what was drawn last. The last column stays free, at which some
// terminals begin a line.
func (b *Bar) replace(lines []string) {
	text := strings.Join(lines, "\n")
	if n := len(lines) - 1; n > 0 {
		text += fmt.Sprintf("\x1b[%dA", n)
	}
	if b.drawn > 0 {
		text = erase + text
	}
	_, _ = io.WriteString(b.w, text+"\r")
	b.drawn, b.last = len(lines), time.Now()
}

// Clear takes away what was drawn.
func (b *Bar) Clear() {
	if b.drawn > 0 {
		_, _ = io.WriteString(b.w, erase)
		b.drawn = 0
	}
}

// Leave goes on below what was drawn, which stays.
func (b *Bar) Leave() {
	_, _ = io.WriteString(b.w, strings.Repeat("\n", b.drawn))
	b.drawn = 0
}

// line is a bar of so many columns at most.
func line(columns int, done, total int64, parts []Part) string {
	parts = slices.Clone(parts)
	percent, wide := gauge(wideGauge, done, total)
	_, narrow := gauge(narrowGauge, done, total)
	fits := func(text string) bool { return width(text) <= columns }
	for _, drawn := range []string{percent + " " + wide + " ", percent + " " + narrow + " "} {
		if text := drawn + Text(parts); fits(text) {
			return text
		}
	}
	for least := 1; least <= Always; least++ {
		head := ""
		if least <= keepPercent {
			head += percent + " "
		}
		if least <= keepGauge {
			head += narrow + " "
		}
		for i := len(parts) - 1; i >= 0; i-- { // of the Keep below least one after the other
			if parts[i].Keep == least-1 {
				parts = slices.Delete(parts, i, i+1)
				if text := head + Text(parts); fits(text) {
					return text
				}
			}
		}
		if text := head + Text(parts); fits(text) { // perhaps without percentage or gauge
			return text
		}
	}
	for i, p := range parts {
		parts[i].Text = cmp.Or(p.Short, p.Text)
	}
	return cut(Text(parts), columns)
}

// Text is what the parts say, as a line that is not bounded.
func Text(parts []Part) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.Text
	}
	return strings.Join(texts, "  ")
}

// gauge is the share that is done, as a number and as a picture.
func gauge(columns int, done, total int64) (percent, picture string) {
	total = max(total, 1)
	b := progressbar.NewOptions64(total, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(columns),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionSetRenderBlankState(true))
	_ = b.Set64(max(0, min(done, total))) // nothing is written there that could fail
	percent, picture, _ = strings.Cut(strings.TrimSpace(b.String()), "|")
	return fmt.Sprintf("%4s", strings.TrimSpace(percent)), "|" + strings.TrimRight(picture, " ")
}

func width(text string) int { return uniseg.StringWidth(text) }

// cut leaves of a text what fits so many columns.
func cut(text string, columns int) string {
	end, used := 0, 0
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if used += g.Width(); used > max(columns, 1) {
			break
		}
		_, end = g.Positions()
	}
	return text[:end]
}

// Time prints a duration in its two largest units.
func Time(d time.Duration) string {
	s := int64(math.Round(d.Seconds()))
	switch {
	case s < 0 || s > 1e9:
		return "?"
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 24*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
}
