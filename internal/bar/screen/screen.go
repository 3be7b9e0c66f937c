// Package screen is a terminal of tests: it shows what a program draws, and says of
// which redraws a line was broken.
package screen

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Screen is a terminal of some columns. It knows the controls that package bar writes.
type Screen struct {
	Columns int
	Reflow  bool     // lines are broken anew when Columns changes, as most terminals do
	Redraws int      // lines that were drawn to be drawn over
	Broken  []string // those that took more than one row

	lines   []line
	at, col int // line, and columns from its beginning
	rest    []byte
	back    bool // a carriage return came last
	resized bool // since the last redraw
}

// line is what stands between two line feeds, a string a column; the second column of a
// wide character is empty.
type line []string

// Write takes what a program prints. A line feed also returns the carriage, as terminals
// are set.
func (s *Screen) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for len(s.rest) > 0 {
		if s.rest[0] == 0x1b {
			end := 2
			for end < len(s.rest) && (s.rest[end] < '@' || s.rest[end] > '~') {
				end++
			}
			if end >= len(s.rest) {
				return len(p), nil // more is to come
			}
			s.control(s.rest[end], string(s.rest[2:end]))
			s.rest = s.rest[end+1:]
			continue
		}
		if !utf8.FullRune(s.rest) {
			return len(p), nil
		}
		_, size := utf8.DecodeRune(s.rest)
		s.print(string(s.rest[:size]))
		s.rest = s.rest[size:]
	}
	return len(p), nil
}

func (s *Screen) line() *line {
	for len(s.lines) <= s.at {
		s.lines = append(s.lines, nil)
	}
	return &s.lines[s.at]
}

// row is that of the cursor within its line. Behind the last column it waits there.
func (s *Screen) row() int {
	if s.col > 0 && s.col%s.Columns == 0 && s.col == len(*s.line()) {
		return s.col/s.Columns - 1
	}
	return s.col / s.Columns
}

func (s *Screen) print(text string) {
	switch text {
	case "\r":
		s.col, s.back = s.row()*s.Columns, true
		return
	case "\n":
		s.at, s.col, s.back = s.at+1, 0, false
		s.line()
		return
	}
	s.redraw()
	l := s.line()
	cells := append([]string{text}, make([]string, max(0, uniseg.StringWidth(text)-1))...)
	for len(*l) < s.col+len(cells) {
		*l = append(*l, " ")
	}
	copy((*l)[s.col:], cells)
	s.col += len(cells)
}

// redraw looks at what stands below the cursor where a carriage return came last, without
// a line feed: it will be drawn over. What was broken by a change of width was drawn well.
func (s *Screen) redraw() {
	if !s.back {
		return
	}
	s.back = false
	s.Redraws++
	for i := s.at; i < len(s.lines) && !s.resized; i++ {
		if len(s.lines[i]) > s.Columns {
			s.Broken = append(s.Broken, strings.Join(s.lines[i], ""))
		}
	}
	s.resized = false
}

func (s *Screen) control(final byte, number string) {
	s.redraw()
	l := s.line()
	switch final {
	case 'J': // from the cursor to the end
		*l = (*l)[:min(s.col, len(*l))]
		s.lines = s.lines[:s.at+1]
	case 'A':
		n := 0
		for _, digit := range number {
			n = 10*n + int(digit-'0')
		}
		for range max(n, 1) {
			if s.row() > 0 {
				s.col -= s.Columns
			} else if s.at > 0 {
				s.at--
				s.col += (max(len(s.lines[s.at])-1, 0) / s.Columns) * s.Columns
			}
		}
	}
}

// Resize changes the width, as a user does.
func (s *Screen) Resize(columns int) {
	s.Columns, s.resized = columns, true
	if s.Reflow {
		return
	}
	for i, l := range s.lines {
		s.lines[i] = l[:min(len(l), columns)]
	}
	s.col = min(s.col, columns-1)
}

// Text is what can be read, a line a line, without blanks and empty lines at the end.
func (s *Screen) Text() string {
	lines := make([]string, len(s.lines))
	for i, l := range s.lines {
		lines[i] = strings.TrimRight(strings.Join(l, ""), " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}
