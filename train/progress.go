package train

import (
	"fmt"
	"io"
	"time"

	"mobilellm/internal/bar"
)

// The rules of what a run prints.
//
//   - Everything here goes to standard error. Standard output is for results.
//   - A bar is drawn only on a terminal; elsewhere a line says the same every
//     lineEvery, and for the first and last step.
//   - No colour. Notes are whole sentences in lower case, one a line.
//   - What is saved, scored or chosen is always said, in a line of its own.

// lineEvery is the time between two lines of progress.
const lineEvery = 10 * time.Second

// Progress tells a person how a run goes.
type Progress struct {
	w     io.Writer
	bar   *bar.Bar // nil where w is no terminal
	stage string

	lastLine time.Time
	speed    float64 // tokens/s, running mean
}

// NewProgress writes to w, with a bar where w is a terminal.
func NewProgress(w io.Writer, terminal bool) *Progress {
	p := &Progress{w: w}
	if terminal {
		p.bar = bar.New(w)
	}
	return p
}

// Note prints a line.
func (p *Progress) Note(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// Stage tells how far a preparation has come, in units of its own.
func (p *Progress) Stage(name string, done, total int64) {
	if p.stage != name {
		p.clear()
		p.stage, p.lastLine = name, time.Now()
	}
	switch {
	case done >= total:
		p.clear()
		p.stage = ""
	case p.bar != nil:
		p.bar.Draw(done, total, bar.Part{Text: name, Keep: bar.Always})
	case time.Since(p.lastLine) >= lineEvery:
		p.lastLine = time.Now()
		fmt.Fprintf(p.w, "%s: %d %%\n", name, 100*done/max(total, 1))
	}
}

func (p *Progress) clear() {
	if p.bar != nil {
		p.bar.Clear()
	}
}

// Course is what a run's steps add up to.
type Course struct {
	Steps      int64
	StepTokens int64   // of each
	Pass       float64 // passes over the text that are made
	Passes     float64 // that the run makes, 0 where it is none
	Unusual    string  // what stands out of the last steps, empty for nothing
}

// Step tells of a finished step.
func (p *Progress) Step(s StepRecord, c Course) {
	if p.speed == 0 {
		p.speed = s.TokensPerSecond
	}
	p.speed += (s.TokensPerSecond - p.speed) / 10
	left := time.Duration(float64((c.Steps-s.Step)*c.StepTokens) / p.speed * float64(time.Second))
	at := fmt.Sprintf("%d/%d", s.Step, c.Steps)
	parts := []bar.Part{{Text: "step " + at, Short: at, Keep: bar.Always}}
	if c.Passes > 0 {
		parts = append(parts, bar.Part{Text: fmt.Sprintf("pass %s/%s", passCount(c.Pass), passCount(c.Passes)), Keep: 1})
	}
	parts = append(parts,
		bar.Part{Text: fmt.Sprintf("loss %.4f", s.Loss), Keep: bar.Always},
		bar.Part{Text: fmt.Sprintf("lr %.2e", s.LR), Keep: 1},
		bar.Part{Text: count(s.TokensPerSecond) + " tokens/s", Keep: 5},
		bar.Part{Text: fmt.Sprintf("mfu %.0f %%", 100*s.MFU), Keep: 3},
		bar.Part{Text: "left " + bar.Time(left), Keep: bar.Always})
	if c.Unusual != "" {
		parts = append(parts, bar.Part{Text: c.Unusual, Keep: 4})
	}
	if p.bar != nil {
		if p.stage != "step" {
			p.clear()
		}
		p.stage = "step"
		p.bar.Draw(s.Step, c.Steps, parts...)
		return
	}
	if p.lastLine.IsZero() || p.stage != "step" || s.Step == c.Steps || time.Since(p.lastLine) >= lineEvery {
		p.stage, p.lastLine = "step", time.Now()
		fmt.Fprintln(p.w, bar.Text(parts))
	}
}

// Done takes a bar away.
func (p *Progress) Done() {
	p.clear()
	p.stage = ""
}

// count prints a number of tokens in a few digits.
func count(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.2fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1fk", n/1e3)
	}
	return fmt.Sprintf("%.0f", n)
}
