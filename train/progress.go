package train

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/schollz/progressbar/v3"
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
	w        io.Writer
	terminal bool

	bar      *progressbar.ProgressBar
	stage    string
	lastLine time.Time
	speed    float64 // tokens/s, running mean
}

// NewProgress writes to w, with a bar where w is a terminal.
func NewProgress(w io.Writer, terminal bool) *Progress {
	return &Progress{w: w, terminal: terminal}
}

// Note prints a line.
func (p *Progress) Note(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear() // what cannot be drawn on a terminal is no reason to stop
	}
	fmt.Fprintf(p.w, format+"\n", args...)
}

// Stage tells how far a preparation has come, in units of its own.
func (p *Progress) Stage(name string, done, total int64) {
	if p.stage != name {
		p.endBar()
		p.stage, p.lastLine = name, time.Now()
		if p.terminal {
			p.bar = p.newBar(total, name)
		}
	}
	switch {
	case p.bar != nil:
		_ = p.bar.Set64(min(done, total))
		if done >= total {
			p.endBar()
		}
	case done < total && time.Since(p.lastLine) >= lineEvery:
		p.lastLine = time.Now()
		fmt.Fprintf(p.w, "%s: %d %%\n", name, 100*done/max(total, 1))
	}
}

func (p *Progress) newBar(total int64, description string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(description),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
}

func (p *Progress) endBar() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	p.bar, p.stage = nil, ""
}

// Course is what a run's steps add up to.
type Course struct {
	Steps      int64
	StepTokens int64   // of each
	Pass       float64 // passes over the text that are made
	Passes     float64 // that the run makes, 0 where it is none
}

// Step tells of a finished step.
func (p *Progress) Step(s StepRecord, c Course) {
	if p.speed == 0 {
		p.speed = s.TokensPerSecond
	}
	p.speed += (s.TokensPerSecond - p.speed) / 10
	left := time.Duration(float64((c.Steps-s.Step)*c.StepTokens) / p.speed * float64(time.Second))
	text := fmt.Sprintf("loss %.4f  lr %.2e  %s tokens/s  mfu %.0f %%  left %s", s.Loss, s.LR, count(s.TokensPerSecond), 100*s.MFU, shortTime(left))
	at := fmt.Sprintf("step %d/%d", s.Step, c.Steps)
	if c.Passes > 0 {
		at += fmt.Sprintf("  pass %s/%s", passCount(c.Pass), passCount(c.Passes))
	}
	if p.terminal {
		if p.bar == nil {
			p.bar, p.stage = p.newBar(c.Steps, ""), "step"
		}
		p.bar.Describe(at + "  " + text)
		_ = p.bar.Set64(s.Step)
		return
	}
	if p.lastLine.IsZero() || p.stage != "step" || s.Step == c.Steps || time.Since(p.lastLine) >= lineEvery {
		p.stage, p.lastLine = "step", time.Now()
		fmt.Fprintf(p.w, "%s  %s\n", at, text)
	}
}

// Done ends a bar.
func (p *Progress) Done() { p.endBar() }

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

// shortTime prints a duration in its two largest units.
func shortTime(d time.Duration) string {
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
