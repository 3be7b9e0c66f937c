package data

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is what Next returns after Close.
var ErrClosed = errors.New("data: loader is closed")

// LoaderConfig says which batches a loader prepares.
type LoaderConfig struct {
	Batch     int    // rows of this process in a step, all micro-batches together
	Seq       int    // tokens in a row
	Seed      uint64 // of the order of samples
	StartStep int64  // the first step, counted from 0
	Rank      int    // this process's number
	Ranks     int    // number of processes; 0 is taken as 1

	Packing Packing // how samples are cut; "" is PackStream
	Docs    bool    // fill Batch.Docs
	Teacher Teacher // fill Batch.TopIDs and TopLogP; nil for none
}

// Teacher reads what a teacher stored of each position of a corpus. The loader
// calls it from a goroutine of its own.
type Teacher interface {
	// Top is how many numbers there are of a position.
	Top() int
	// Read fills ids and logp for the positions from at on.
	Read(ids []int32, logp []float32, at int64) error
}

// ahead is how many batches wait ready: one would do, two ride out a pause.
const ahead = 2

// LoaderBatches is the number of batches that a loader holds: those ready, one in
// its own hands and one in the caller's.
const LoaderBatches = ahead + 2

// Loader prepares the batches of a run ahead of its steps, in a goroutine of
// its own. Steps have no end; epochs follow each other. Next and Close may be
// called from different goroutines.
type Loader struct {
	corpus Corpus
	config LoaderConfig
	order  order          // of the loader's goroutine
	counts order          // of its caller
	docs   documentStarts // if Docs is asked for
	waited atomic.Int64

	ready chan *Batch
	free  chan *Batch
	quit  chan struct{}
	once  sync.Once
	done  sync.WaitGroup
}

// NewLoader starts a loader. A corpus shorter than one sample is an error, as
// are a batch or rank out of range.
func NewLoader(corpus Corpus, config LoaderConfig) (*Loader, error) {
	if config.Ranks == 0 {
		config.Ranks = 1
	}
	switch {
	case config.Batch < 1:
		return nil, fmt.Errorf("data: batch (%d) must be at least 1", config.Batch)
	case config.Rank < 0 || config.Rank >= config.Ranks:
		return nil, fmt.Errorf("data: rank (%d) must lie in 0 to %d", config.Rank, config.Ranks-1)
	case config.StartStep < 0:
		return nil, fmt.Errorf("data: start step (%d) must not be negative", config.StartStep)
	}
	if config.Packing != "" && config.Packing != PackStream && config.Packing != PackDocuments {
		return nil, fmt.Errorf("data.packing %q: want %s or %s", config.Packing, PackStream, PackDocuments)
	}
	order, err := newOrder(corpus, config)
	if err != nil {
		return nil, err
	}
	l := &Loader{
		order:  order,
		counts: order.own(),
		corpus: corpus,
		config: config,
		ready:  make(chan *Batch, ahead),
		free:   make(chan *Batch, LoaderBatches),
		quit:   make(chan struct{}),
	}
	if config.Docs {
		if l.docs, err = startsOf(corpus); err != nil {
			return nil, err
		}
	}
	for range cap(l.free) {
		b := newBatch(config.Batch, config.Seq)
		if config.Docs {
			b.Docs = make([]int32, config.Batch*config.Seq)
		}
		if m, ok := corpus.(*TokenCorpus); ok && len(m.Sources()) > 0 {
			b.Sources = make([]int32, config.Batch*config.Seq)
		}
		if t := config.Teacher; t != nil {
			b.TopIDs, b.TopLogP = make([]int32, config.Batch*config.Seq*t.Top()), make([]float32, config.Batch*config.Seq*t.Top())
		}
		b.free = l.free
		l.free <- b
	}
	l.done.Go(l.fill)
	return l, nil
}

// Waited is how long Next has waited for batches, of all calls together.
func (l *Loader) Waited() time.Duration { return time.Duration(l.waited.Load()) }

// Next returns the batch of the next step. A loader has four batches: the
// caller releases each when its step is done, or the loader runs dry.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	select {
	case <-l.quit:
		return nil, ErrClosed
	default:
	}
	select {
	case b := <-l.ready:
		return sound(b)
	default:
	}
	begun := time.Now()
	defer func() { l.waited.Add(int64(time.Since(begun))) }()
	select {
	case b := <-l.ready:
		return sound(b)
	case <-l.quit:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for data: %w", ctx.Err())
	}
}

// sound is the batch, or why it could not be prepared.
func sound(b *Batch) (*Batch, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b, nil
}

// Close stops the loader and waits for its goroutine.
func (l *Loader) Close() {
	l.once.Do(func() { close(l.quit) })
	l.done.Wait()
}

func (l *Loader) fill() {
	window := make([]int32, l.config.Seq+1)
	for step := l.config.StartStep; ; step++ {
		var b *Batch
		select {
		case b = <-l.free:
		case <-l.quit:
			return
		}
		b.err = l.prepare(b, step, window)
		select {
		case l.ready <- b:
		case <-l.quit:
			return
		}
	}
}

// sample is the number, in the run, of a row (0 to Batch-1) of a step (from 0) in
// this process. All rows of all processes of a step follow each other, and steps
// do; so no two processes share a sample, and the batch of a step does not depend on
// how many processes it is split among.
func (c LoaderConfig) sample(step int64, row int) int64 {
	return (step*int64(c.Ranks)+int64(c.Rank))*int64(c.Batch) + int64(row)
}

func (l *Loader) prepare(b *Batch, step int64, window []int32) error {
	c := l.config
	b.Step, b.Row, b.Tokens, b.Length = step, c.Rank*c.Batch, 0, 0
	for i := range b.Rows {
		place := l.order.span(c.sample(step, i))
		if i == 0 {
			b.Epoch = place.epoch
		}
		place.read(l.corpus, window)
		inputs, targets := b.row(i)
		n := place.n - 1
		copy(inputs, window[:n])
		copy(targets, window[1:n+1])
		clear(inputs[n:])
		for j := n; j < len(targets); j++ {
			targets[j] = Ignored
		}
		b.Length += n
		b.Tokens += n - ignoreGiven(l.corpus, targets[:n], place.start+1)
		if c.Docs {
			l.docs.number(b.Docs[i*b.Seq:(i+1)*b.Seq], place)
		}
		if b.Sources != nil {
			fill(b.Sources[i*b.Seq:(i+1)*b.Seq], int32(place.part))
		}
		if c.Teacher != nil {
			k := c.Teacher.Top()
			from, to := i*b.Seq*k, (i*b.Seq+n)*k
			if err := place.readTeacher(c.Teacher, b.TopIDs[from:to], b.TopLogP[from:to]); err != nil {
				return fmt.Errorf("step %d: %w", step+1, err)
			}
		}
	}
	return nil
}
