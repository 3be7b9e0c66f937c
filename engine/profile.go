package engine

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Profile adds up the time of a program's instructions over its runs.
type Profile struct {
	instrs []*Instr
	flops  []int64
	time   []time.Duration
	runs   int
	extra  map[string]time.Duration
}

func newProfile(instrs []*Instr, flops []int64) *Profile {
	return &Profile{instrs: instrs, flops: flops, time: make([]time.Duration, len(instrs)), extra: map[string]time.Duration{}}
}

func (p *Profile) start() time.Time {
	if p == nil {
		return time.Time{}
	}
	return time.Now()
}

func (p *Profile) stop(i int, start time.Time) {
	if p == nil {
		return
	}
	p.time[i] += time.Since(start)
	if i == 0 {
		p.runs++
	}
}

// Add counts time outside the program, such as the optimizer's.
func (p *Profile) Add(name string, d time.Duration) { p.extra[name] += d }

// Reset forgets what was measured, for example a first run.
func (p *Profile) Reset() {
	clear(p.time)
	clear(p.extra)
	p.runs = 0
}

// Row is the time of all instructions of one kind.
type Row struct {
	Kind    string        `json:"kind"`
	Calls   int           `json:"calls"`
	Time    time.Duration `json:"nanoseconds"`
	FLOPs   int64         `json:"flops"`
	Share   float64       `json:"share"`  // of the total time
	GFLOPPS float64       `json:"gflops"` // GFLOP/s
}

// Rows are the measured kinds, the longest first.
func (p *Profile) Rows() []Row {
	byKind := map[string]*Row{}
	var total time.Duration
	row := func(kind string) *Row {
		if byKind[kind] == nil {
			byKind[kind] = &Row{Kind: kind}
		}
		return byKind[kind]
	}
	for i, in := range p.instrs {
		kind := in.Op.Kind()
		if in.Repeated {
			kind += " (again)"
		}
		r := row(kind)
		r.Calls += p.runs
		r.Time += p.time[i]
		r.FLOPs += p.flops[i] * int64(p.runs)
		total += p.time[i]
	}
	for name, d := range p.extra {
		row(name).Time += d
		total += d
	}
	var rows []Row
	for _, r := range byKind {
		r.Share = float64(r.Time) / float64(max(total, 1))
		if r.Time > 0 {
			r.GFLOPPS = float64(r.FLOPs) / r.Time.Seconds() / 1e9
		}
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Kind, b.Kind))
	})
	return rows
}

// Write prints the table of Rows; see WriteRows.
func (p *Profile) Write(w io.Writer, peak float64) error { return WriteRows(w, p.Rows(), peak) }

// WriteRows prints a table of operations; peak, in GFLOP/s, adds each one's
// share of it when positive.
func WriteRows(w io.Writer, rows []Row, peak float64) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "operation\tcalls\tms\tshare\tGFLOP/s\tof peak\t\n")
	for _, r := range rows {
		speed, of := "", ""
		if r.FLOPs > 0 {
			speed = fmt.Sprintf("%.0f", r.GFLOPPS)
			if peak > 0 {
				of = fmt.Sprintf("%.0f %%", 100*r.GFLOPPS/peak)
			}
		}
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f %%\t%s\t%s\t\n", r.Kind, r.Calls, float64(r.Time)/1e6, 100*r.Share, speed, of)
	}
	return t.Flush()
}
