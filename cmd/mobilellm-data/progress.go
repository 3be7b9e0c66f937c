package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar on a terminal and a line now and then elsewhere.
type progress struct {
	what string
	bar  *progressbar.ProgressBar
	last time.Time
}

const betweenLines = 10 * time.Second

func newProgress(what string) *progress {
	p := &progress{what: what, last: time.Now()}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		p.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

// to tells how far the work is; text describes it.
func (p *progress) to(done, total int64, text string) {
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, done, 1))
		p.bar.Describe(p.what + " " + text)
		p.bar.Set64(done) // a bar that cannot be drawn is no reason to stop
		return
	}
	if time.Since(p.last) < betweenLines {
		return
	}
	p.last = time.Now()
	share := ""
	if total > 0 {
		share = fmt.Sprintf(" %.0f %%,", 100*float64(min(done, total))/float64(total))
	}
	fmt.Fprintf(os.Stderr, "%s:%s %s\n", p.what, share, text)
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
