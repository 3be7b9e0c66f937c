package cpu

import (
	"runtime"
	"sync/atomic"
	"time"

	"mobilellm/engine/cpu/onednn"
)

// spins is how often a worker looks for the next job before it sleeps: about
// as long as the gaps between the operations of a step.
const spins = 20000

// Pool is a set of workers, each on an OS thread of its own. Worker 0 runs what
// is given to Do and takes its share of every run that this starts.
type Pool struct {
	tasks   func(worker, task int)
	count   int64
	next    atomic.Int64
	job     atomic.Int64 // number of the current job; −1 ends the helpers
	pending atomic.Int64 // helpers that have not finished the current job
	helpers []helper
	calls   chan func()
	done    chan struct{}
	exited  chan struct{}
	busy    []workTime
}

// workTime is the time that a worker has spent on tasks; only it writes it.
type workTime struct {
	nanoseconds atomic.Int64
	_           [56]byte // keeps neighbours off one cache line
}

type helper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte // keeps neighbours off one cache line
}

// NewPool starts n workers.
func NewPool(n int) *Pool {
	p := &Pool{
		helpers: make([]helper, n-1), calls: make(chan func()), done: make(chan struct{}), exited: make(chan struct{}, n),
		busy: make([]workTime, n),
	}
	for i := range p.helpers {
		p.helpers[i].wake = make(chan struct{}, 1)
		go p.help(i)
	}
	go p.lead()
	return p
}

// Workers is the number of workers.
func (p *Pool) Workers() int { return len(p.helpers) + 1 }

// Busy is the time that all workers together have spent on tasks.
func (p *Pool) Busy() time.Duration {
	var n int64
	for i := range p.busy {
		n += p.busy[i].nanoseconds.Load()
	}
	return time.Duration(n)
}

// Do runs f on worker 0 and waits for it. Calls must not overlap or nest.
func (p *Pool) Do(f func()) {
	p.calls <- f
	<-p.done
}

// For runs f(worker, i) for every i below n, in no certain order, and waits.
// It must not be called from within Do.
func (p *Pool) For(n int, f func(worker, i int)) { p.Do(func() { p.run(n, f) }) }

// Close ends the workers.
func (p *Pool) Close() {
	close(p.calls)
	for range p.Workers() {
		<-p.exited
	}
}

func (p *Pool) lead() {
	bindThread()
	for f := range p.calls {
		f()
		p.done <- struct{}{}
	}
	p.job.Store(-1)
	p.wakeAll()
	p.exited <- struct{}{}
}

func bindThread() {
	runtime.LockOSThread() // for good: the thread ends with its goroutine
	if onednn.Open() == nil {
		onednn.SingleThread()
	}
}

func (p *Pool) wakeAll() {
	for i := range p.helpers {
		if p.helpers[i].asleep.CompareAndSwap(true, false) {
			p.helpers[i].wake <- struct{}{}
		}
	}
}

// run is For on worker 0.
func (p *Pool) run(n int, f func(worker, i int)) {
	if n <= 1 || len(p.helpers) == 0 {
		start := time.Now()
		for i := range n {
			f(0, i)
		}
		p.busy[0].nanoseconds.Add(int64(time.Since(start)))
		return
	}
	p.tasks, p.count = f, int64(n)
	p.next.Store(0)
	p.pending.Store(int64(len(p.helpers)))
	p.job.Add(1)
	p.wakeAll()
	p.take(0)
	for i := 0; p.pending.Load() > 0; i++ {
		if i > spins {
			runtime.Gosched()
		}
	}
}

func (p *Pool) take(worker int) {
	start := time.Now()
	defer func() { p.busy[worker].nanoseconds.Add(int64(time.Since(start))) }()
	for {
		i := p.next.Add(1) - 1
		if i >= p.count {
			return
		}
		p.tasks(worker, int(i))
	}
}

func (p *Pool) help(i int) {
	bindThread()
	h := &p.helpers[i]
	var last int64
	for {
		job := p.job.Load()
		for n := 0; job == last; n++ {
			if n > spins {
				h.sleep(p, last)
			}
			job = p.job.Load()
		}
		if job < 0 {
			p.exited <- struct{}{}
			return
		}
		last = job
		p.take(i + 1)
		p.pending.Add(-1)
	}
}

// sleep waits for a wake-up, unless a job came in the meantime.
func (h *helper) sleep(p *Pool, last int64) {
	h.asleep.Store(true)
	if p.job.Load() != last && h.asleep.CompareAndSwap(true, false) {
		return
	}
	<-h.wake
}
