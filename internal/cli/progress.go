package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"mobilellm/internal/bar"
)

// Progress is a bar on a terminal and a line now and then elsewhere, on standard error.
type Progress struct {
	what        string
	bar         *bar.Bar
	begun, last time.Time
}

const betweenLines = 10 * time.Second

// NewProgress begins to tell of some work.
func NewProgress(what string) *Progress {
	p := &Progress{what: what, begun: time.Now(), last: time.Now()}
	if bar.IsTerminal(os.Stderr) {
		p.bar = bar.New(os.Stderr)
	}
	return p
}

// To tells how far the work is; of the texts that describe it a narrow terminal shows the
// first.
func (p *Progress) To(done, total int64, texts ...string) {
	now := time.Now()
	took := now.Sub(p.begun)
	if p.bar != nil {
		parts := []bar.Part{{Text: p.what, Keep: bar.Always}}
		for _, text := range texts {
			parts = append(parts, bar.Part{Text: text, Keep: 1})
		}
		if d, ok := left(done, total, took); ok {
			parts = append(parts, bar.Part{Text: "left " + bar.Time(d), Keep: bar.Always})
		}
		p.bar.Draw(done, total, parts...)
		return
	}
	if now.Sub(p.last) < betweenLines {
		return
	}
	p.last = now
	fmt.Fprintf(os.Stderr, "%s:%s %s\n", p.what, share(done, total, took), strings.Join(texts, ", "))
}

// share is what a line says of done of total in some time.
func share(done, total int64, took time.Duration) string {
	if total <= 0 {
		return ""
	}
	done = min(done, total)
	text := fmt.Sprintf(" %.0f %%,", 100*float64(done)/float64(total))
	if d, ok := left(done, total, took); ok {
		text += fmt.Sprintf(" %v left,", d.Round(time.Second))
	}
	return text
}

// left is the time for what is not done yet, as far as that can be told.
func left(done, total int64, took time.Duration) (time.Duration, bool) {
	if done <= 0 || done >= total {
		return 0, false
	}
	return time.Duration(float64(took) * float64(total-done) / float64(done)), true
}

// End takes the bar away; of none, nil, there is nothing to take.
func (p *Progress) End() {
	if p != nil && p.bar != nil {
		p.bar.Clear()
	}
}
