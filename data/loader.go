package data

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
}

// ahead is how many batches wait ready: one would do, two ride out a pause.
const ahead = 2

// Loader prepares the batches of a run ahead of its steps, in a goroutine of
// its own. Steps have no end; epochs follow each other. Next and Close may be
// called from different goroutines.
type Loader struct {
	corpus  Corpus
	sampler Sampler
	config  LoaderConfig

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
	sampler, err := NewSampler(corpus.Len(), config.Seq, config.Seed)
	if err != nil {
		return nil, err
	}
	l := &Loader{
		corpus:  corpus,
		sampler: sampler,
		config:  config,
		ready:   make(chan *Batch, ahead),
		free:    make(chan *Batch, ahead+2), // and one in the filler's hands, one in the caller's
		quit:    make(chan struct{}),
	}
	for range cap(l.free) {
		b := newBatch(config.Batch, config.Seq)
		b.free = l.free
		l.free <- b
	}
	l.done.Go(l.fill)
	return l, nil
}

// Sampler is what chooses the loader's samples.
func (l *Loader) Sampler() Sampler { return l.sampler }

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
		return b, nil
	case <-l.quit:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for data: %w", ctx.Err())
	}
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
		l.prepare(b, step, window)
		select {
		case l.ready <- b:
		case <-l.quit:
			return
		}
	}
}

func (l *Loader) prepare(b *Batch, step int64, window []int32) {
	shard := Shard{l.config.Batch, l.config.Rank, l.config.Ranks}
	b.Step, b.Tokens = step, len(b.Inputs)
	for i := range b.Rows {
		epoch, start := l.sampler.Sample(step, i, shard)
		if i == 0 {
			b.Epoch = epoch
		}
		l.sampler.read(l.corpus, window, start)
		inputs, targets := b.row(i)
		copy(inputs, window)
		copy(targets, window[1:])
	}
}
