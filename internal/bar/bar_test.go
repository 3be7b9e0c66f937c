package bar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mobilellm/internal/bar/screen"
)

var step = []Part{
	{Text: "step 12000/20000", Short: "12000/20000", Keep: Always},
	{Text: "pass 1.3/2.1", Keep: 1},
	{Text: "loss 3.1234", Keep: Always},
	{Text: "lr 1.00e-03", Keep: 1},
	{Text: "12.3k tokens/s", Keep: 5},
	{Text: "mfu 72 %", Keep: 3},
	{Text: "left 1h02m", Keep: Always},
}

// What a line says at some widths, and what goes first.
func TestLine(t *testing.T) {
	for columns, want := range map[int]string{
		160: " 60% |████████████        | step 12000/20000  pass 1.3/2.1  loss 3.1234  lr 1.00e-03  12.3k tokens/s  mfu 72 %  left 1h02m",
		119: " 60% |██████    | step 12000/20000  pass 1.3/2.1  loss 3.1234  lr 1.00e-03  12.3k tokens/s  mfu 72 %  left 1h02m",
		100: " 60% |██████    | step 12000/20000  pass 1.3/2.1  loss 3.1234  12.3k tokens/s  mfu 72 %  left 1h02m",
		85:  " 60% |██████    | step 12000/20000  loss 3.1234  12.3k tokens/s  mfu 72 %  left 1h02m",
		80:  "|██████    | step 12000/20000  loss 3.1234  12.3k tokens/s  mfu 72 %  left 1h02m",
		79:  "|██████    | step 12000/20000  loss 3.1234  12.3k tokens/s  left 1h02m",
		60:  "step 12000/20000  loss 3.1234  12.3k tokens/s  left 1h02m",
		41:  "step 12000/20000  loss 3.1234  left 1h02m",
		39:  "12000/20000  loss 3.1234  left 1h02m",
		20:  "12000/20000  loss 3.",
		0:   "1",
	} {
		if got := line(columns, 12000, 20000, step); got != want {
			t.Errorf("%d columns:\n%q, want\n%q", columns, got, want)
		}
	}
	if got, want := line(79, 0, 20, []Part{{Text: "begun", Keep: Always}}), "  0% |                    | begun"; got != want {
		t.Errorf("at the beginning %q, want %q", got, want)
	}
	for columns := range 200 {
		for _, parts := range [][]Part{step, {{Text: "日本語の文書を読む", Keep: Always}, {Text: "12 of 20", Keep: 1}}} {
			if got := line(columns, 1, 3, parts); width(got) > max(columns, 1) && columns > 1 {
				t.Errorf("%d columns: %q has %d", columns, got, width(got))
			}
		}
	}
}

// No redraw takes more than a row, on terminals of 80 and 40 columns and while they are
// resized, whether the terminal breaks lines anew or not; nothing is left behind.
func TestDraw(t *testing.T) {
	for _, reflow := range []bool{true, false} {
		s := &screen.Screen{Columns: 80, Reflow: reflow}
		b := &Bar{w: s, size: func() (int, int) { return s.Columns, 24 }}
		draw := func(n int64) {
			b.last = time.Time{}
			b.Draw(n, 20000, step...)
		}
		fmt.Fprintln(s, "a note")
		for i, columns := range []int{80, 80, 40, 40, 60, 33, 120, 20, 80} {
			s.Resize(columns)
			draw(int64(i))
			draw(int64(i)) // what follows a change of width is not looked at
			if lines := strings.Split(s.Text(), "\n"); len(lines) != 2 || lines[0] != "a note" || lines[1] != strings.TrimRight(line(columns-1, int64(i), 20000, step), " ") {
				t.Fatalf("reflow %v, %d columns:\n%s", reflow, columns, s.Text())
			}
		}
		b.Clear()
		fmt.Fprintln(s, "another")
		if s.Text() != "a note\nanother" || len(s.Broken) > 0 {
			t.Errorf("reflow %v:\n%s\nbroken: %q", reflow, s.Text(), s.Broken)
		}
	}
}

func TestLines(t *testing.T) {
	for _, reflow := range []bool{true, false} {
		s := &screen.Screen{Columns: 80, Reflow: reflow}
		rows := 24
		b := &Bar{w: s, size: func() (int, int) { return s.Columns, rows }}
		long := strings.Repeat("member ", 20)
		fmt.Fprintln(s, "a note")
		for _, columns := range []int{80, 40, 50} {
			s.Resize(columns)
			b.Lines(1, 2, "1 of 2", []string{long, long, "short"})
		}
		if lines := strings.Split(s.Text(), "\n"); len(lines) != 5 || lines[2] != strings.TrimRight(long[:49], " ") {
			t.Errorf("reflow %v:\n%s", reflow, s.Text())
		}
		rows = 3
		b.Lines(1, 2, "1 of 2", []string{long, long, "short"})
		b.Leave()
		fmt.Fprintln(s, "end")
		if lines := strings.Split(s.Text(), "\n"); len(lines) != 4 || lines[3] != "end" || len(s.Broken) > 0 {
			t.Errorf("reflow %v:\n%s\nbroken %q", reflow, s.Text(), s.Broken)
		}
	}
}

// The terminal of the tests notices a line that is too long, as progressbar's own is.
func TestScreenSeesBrokenLines(t *testing.T) {
	s := &screen.Screen{Columns: 40}
	for range 2 {
		fmt.Fprint(s, "\r"+strings.Repeat("x", 41))
	}
	if len(s.Broken) == 0 {
		t.Error("a line of 41 columns on a terminal of 40 is not noticed")
	}
	s = &screen.Screen{Columns: 40}
	fmt.Fprint(s, strings.Repeat("x", 100)+"\r\n\r\n"+"short\r")
	fmt.Fprint(s, "short")
	if len(s.Broken) > 0 {
		t.Errorf("lines that are not drawn over: %q", s.Broken)
	}
}

// A redraw costs little, so few are made.
func TestDrawRarely(t *testing.T) {
	s := &screen.Screen{Columns: 80}
	b := &Bar{w: s, size: func() (int, int) { return 80, 24 }}
	for i := range int64(1000) {
		b.Draw(i, 1000, Part{Text: "x", Keep: Always})
	}
	if s.Redraws > 20 {
		t.Errorf("%d redraws", s.Redraws)
	}
}

func TestTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 3*time.Hour + 5*time.Minute: "3h05m",
		50 * time.Hour: "2d02h", -time.Second: "?",
	} {
		if got := Time(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
