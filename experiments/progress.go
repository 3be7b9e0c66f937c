package experiments

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// lineEvery is the time between two looks at a sweep where there is no terminal.
const lineEvery = 30 * time.Second

// Progress tells a person how a sweep goes: on a terminal a bar for the sweep and
// below it a line for each running member, elsewhere lines now and then. Everything
// goes to standard error; no colour.
type Progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	began    time.Time
	before   float64 // FLOPs done when this process began
	below    int     // lines of the terminal that are drawn again
	lastLine time.Time
	states   map[string]State
}

// NewProgress writes to w, with a bar where w is a terminal.
func NewProgress(w io.Writer, terminal bool) *Progress {
	return &Progress{w: w, terminal: terminal, now: time.Now, states: map[string]State{}}
}

// note prints a line.
func (p *Progress) note(format string, args ...any) {
	p.erase()
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
	if p.terminal {
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
		text += ", left about " + short(left)
	}
	return text
}

// draw replaces what was drawn last.
func (p *Progress) draw(list []Status, done, total float64) {
	var b strings.Builder
	bar := progressbar.NewOptions64(1000, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(20),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false), progressbar.OptionSetRenderBlankState(true))
	_ = bar.Set64(int64(1000 * done / total)) // nothing is written there that could fail
	width := p.width()
	fmt.Fprintln(&b, cut(strings.TrimSpace(bar.String())+" "+p.summary(list, done, total), width))
	lines := 1
	for _, m := range list {
		if m.State == Running {
			fmt.Fprintln(&b, cut("  "+memberLine(m), width))
			lines++
		}
	}
	p.erase()
	fmt.Fprint(p.w, b.String())
	p.below = lines
}

// width is that of the terminal: a line that it breaks could not be taken back.
func (p *Progress) width() int {
	if f, ok := p.w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// cut leaves the last column free, at which some terminals begin a line.
func cut(text string, width int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), max(width-1, 1))])
}

// erase takes back the lines below.
func (p *Progress) erase() {
	if p.below > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.below)
		p.below = 0
	}
}

// end leaves the last state standing.
func (p *Progress) end() { p.below = 0 }

// memberLine is a running member's.
func memberLine(m Status) string {
	if m.Step == 0 {
		return fmt.Sprintf("%s %s: starting", m.ID, m.Label())
	}
	return fmt.Sprintf("%s %s: left %s, step %d/%d, loss %.4f, %.0f tokens/s", m.ID, m.Label(), short(m.Left), m.Step, m.Steps, m.Loss, m.TokensPerSecond)
}

// short prints a duration in its two largest units.
func short(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
