package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress is a bar on a terminal and a line now and then elsewhere, on standard error.
type Progress struct {
	what        string
	bar         *progressbar.ProgressBar
	begun, last time.Time
}

const betweenLines = 10 * time.Second

// NewProgress begins to tell of some work.
func NewProgress(what string) *Progress {
	p := &Progress{what: what, begun: time.Now(), last: time.Now()}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		p.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

// To tells how far the work is; text describes it.
func (p *Progress) To(done, total int64, text string) {
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, done, 1))
		p.bar.Describe(p.what + " " + text)
		p.bar.Set64(done) // a bar that cannot be drawn is no reason to stop
		return
	}
	now := time.Now()
	if now.Sub(p.last) < betweenLines {
		return
	}
	p.last = now
	fmt.Fprintf(os.Stderr, "%s:%s %s\n", p.what, share(done, total, now.Sub(p.begun)), text)
}

// share is what a line says of done of total in some time.
func share(done, total int64, took time.Duration) string {
	if total <= 0 {
		return ""
	}
	done = min(done, total)
	text := fmt.Sprintf(" %.0f %%,", 100*float64(done)/float64(total))
	if done > 0 && done < total {
		left := time.Duration(float64(took) * float64(total-done) / float64(done))
		text += fmt.Sprintf(" %v left,", left.Round(time.Second))
	}
	return text
}

// End takes the bar away.
func (p *Progress) End() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
