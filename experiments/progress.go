package experiments

import (
	"fmt"
	"io"
	"time"

	"mobilellm/internal/bar"
)

// lineEvery is the time between two looks at a sweep where there is no terminal.
const lineEvery = 30 * time.Second

// Progress tells a person how a sweep goes: on a terminal a bar for the sweep and
// below it a line for each running member, elsewhere lines now and then. Everything
// goes to standard error; no colour.
type Progress struct {
	w   io.Writer
	bar *bar.Bar // nil where w is no terminal
	now func() time.Time

	began    time.Time
	before   float64 // FLOPs done when this process began
	lastLine time.Time
	states   map[string]State
}

// NewProgress writes to w, with a bar where w is a terminal.
func NewProgress(w io.Writer, terminal bool) *Progress {
	p := &Progress{w: w, now: time.Now, states: map[string]State{}}
	if terminal {
		p.bar = bar.New(w)
	}
	return p
}

// note prints a line.
func (p *Progress) note(format string, args ...any) {
	if p.bar != nil {
		p.bar.Clear()
	}
	fmt.Fprintf(p.w, format+"\n", args...)
}

// show tells how the members stand.
func (p *Progress) show(list []Status) {
	done, total := work(list)
	if p.began.IsZero() {
		p.began, p.before = p.now(), done
	}
	for _, m := range list {
		p.change(m)
	}
	if p.bar != nil {
		p.draw(list, done, total)
		return
	}
	if p.now().Sub(p.lastLine) >= lineEvery {
		p.lastLine = p.now()
		fmt.Fprintf(p.w, "%s\n", p.summary(list, done, total))
		for _, m := range list {
			if m.State == Running {
				fmt.Fprintf(p.w, "  %s\n", memberLine(m))
			}
		}
	}
}

// change tells of a member that has come to its end.
func (p *Progress) change(m Status) {
	was, known := p.states[m.ID]
	p.states[m.ID] = m.State
	if known && was != m.State && m.State == Finished {
		p.note("finished %s %s: validation loss %.4f, ppl %.2f, %.0f tokens/s", m.ID, m.Label(), m.Loss, m.Result.Heldout.Perplexity, m.TokensPerSecond)
	}
}

// work is the FLOPs done and in all; what failed is not waited for.
func work(list []Status) (done, total float64) {
	for _, m := range list {
		switch {
		case m.State == Finished:
			done += m.FLOPs
		case m.State == Failed:
			continue
		case m.Steps > 0:
			done += m.FLOPs * float64(m.Step) / float64(m.Steps)
		}
		total += m.FLOPs
	}
	return done, max(total, 1)
}

func (p *Progress) summary(list []Status, done, total float64) string {
	finished, failed := 0, 0
	for _, m := range list {
		switch m.State {
		case Finished:
			finished++
		case Failed:
			failed++
		}
	}
	text := fmt.Sprintf("%d of %d runs finished", finished, len(list))
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if passed := p.now().Sub(p.began); done > p.before && passed > 0 {
		left := time.Duration((total - done) / (done - p.before) * float64(passed))
		text += ", left about " + bar.Time(left)
	}
	return text
}

// draw replaces what was drawn last.
func (p *Progress) draw(list []Status, done, total float64) {
	var running []string
	for _, m := range list {
		if m.State == Running {
			running = append(running, "  "+memberLine(m))
		}
	}
	p.bar.Lines(int64(1000*done/total), 1000, p.summary(list, done, total), running)
}

// end leaves the last state standing.
func (p *Progress) end() {
	if p.bar != nil {
		p.bar.Leave()
	}
}

// memberLine is a running member's.
func memberLine(m Status) string {
	if m.Step == 0 {
		return fmt.Sprintf("%s %s: starting", m.ID, m.Label())
	}
	return fmt.Sprintf("%s %s: left %s, step %d/%d, loss %.4f, %.0f tokens/s", m.ID, m.Label(), bar.Time(m.Left), m.Step, m.Steps, m.Loss, m.TokensPerSecond)
}
