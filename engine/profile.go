package engine

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// workers is what a device of several workers can say of them.
type workers interface {
	Workers() int
	Busy() time.Duration // time on tasks, of all workers together
}

// Profile adds up the time of a program's instructions over its runs.
type Profile struct {
	instrs []*Instr
	flops  []int64
	time   []time.Duration
	busy   []time.Duration
	dev    workers // nil for a device without them
	runs   int
	extra  map[string]time.Duration
}

func newProfile(instrs []*Instr, flops []int64, dev Device) *Profile {
	p := &Profile{
		instrs: instrs, flops: flops, time: make([]time.Duration, len(instrs)), busy: make([]time.Duration, len(instrs)),
		extra: map[string]time.Duration{},
	}
	p.dev, _ = dev.(workers)
	return p
}

// mark is a point in time and in the workers' time.
type mark struct {
	at   time.Time
	busy time.Duration
}

func (p *Profile) start() (m mark) {
	if p == nil {
		return m
	}
	if p.dev != nil {
		m.busy = p.dev.Busy()
	}
	m.at = time.Now()
	return m
}

func (p *Profile) stop(i int, m mark) {
	if p == nil {
		return
	}
	p.count(i, time.Since(m.at))
	if p.dev != nil {
		p.busy[i] += p.dev.Busy() - m.busy
	}
}

// count adds a run of instruction i.
func (p *Profile) count(i int, d time.Duration) {
	p.time[i] += d
	if i == 0 {
		p.runs++
	}
}

// Add counts time outside the program, such as the optimizer's.
func (p *Profile) Add(name string, d time.Duration) { p.extra[name] += d }

// Reset forgets what was measured, for example a first run.
func (p *Profile) Reset() {
	clear(p.time)
	clear(p.busy)
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
	// Idle is the share of the total time in which a worker had nothing to do
	// during these instructions, averaged over the workers.
	Idle float64 `json:"idle"`
	busy time.Duration
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
		r.busy += p.busy[i]
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
		if p.dev != nil && r.Calls > 0 {
			idle := float64(r.Time) - float64(r.busy)/float64(p.dev.Workers())
			r.Idle = max(0, idle) / float64(max(total, 1))
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
	fmt.Fprintf(t, "operation\tcalls\tms\tshare\tidle\tGFLOP/s\tof peak\t\n")
	for _, r := range rows {
		speed, of := "", ""
		if r.FLOPs > 0 {
			speed = fmt.Sprintf("%.0f", r.GFLOPPS)
			if peak > 0 {
				of = fmt.Sprintf("%.0f %%", 100*r.GFLOPPS/peak)
			}
		}
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f %%\t%.1f %%\t%s\t%s\t\n", r.Kind, r.Calls, float64(r.Time)/1e6, 100*r.Share, 100*r.Idle, speed, of)
	}
	return t.Flush()
}
