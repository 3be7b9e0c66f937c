package data

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mobilellm/tokenizer"
)

func newLoader(t *testing.T, corpus Corpus, config LoaderConfig) *Loader {
	t.Helper()
	l, err := NewLoader(corpus, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func next(t *testing.T, l *Loader) *Batch {
	t.Helper()
	b, err := l.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLoaderBatches(t *testing.T) {
	defer goleak.VerifyNone(t)
	corpus := buildCorpus(t, makeDocs(3000), tokenizer.Bytes())
	all := readAll(corpus)
	l := newLoader(t, corpus, LoaderConfig{Batch: 4, Seq: 32, Seed: 3})
	sampler, err := NewSampler(corpus.Len(), 32, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for step := range int64(100) {
		b := next(t, l)
		if b.Step != step || b.Rows != 4 || b.Seq != 32 || b.Tokens != 4*32 {
			t.Fatalf("step %d: batch %d of %d × %d, %d tokens", step, b.Step, b.Rows, b.Seq, b.Tokens)
		}
		for row := range 4 {
			epoch, start, _ := sampler.Sample(step*4 + int64(row))
			if row == 0 && b.Epoch != epoch {
				t.Fatalf("step %d: epoch %d, want %d", step, b.Epoch, epoch)
			}
			inputs, targets := b.row(row)
			for j := range 32 {
				at := (int(start) + j) % len(all)
				if inputs[j] != all[at] || targets[j] != all[(at+1)%len(all)] {
					t.Fatalf("step %d, row %d, position %d: %d before %d, want %d before %d",
						step, row, j, inputs[j], targets[j], all[at], all[(at+1)%len(all)])
				}
			}
		}
		b.Release()
	}
}

// A run resumed at a step sees what the unbroken one would have.
func TestLoaderResumes(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(2000, 500), sampleBPE())
	config := LoaderConfig{Batch: 3, Seq: 16, Seed: 11, Rank: 1, Ranks: 2}
	whole := newLoader(t, corpus, config)
	var inputs, targets [][]int32
	for range 60 {
		b := next(t, whole)
		inputs, targets = append(inputs, slices.Clone(b.Inputs)), append(targets, slices.Clone(b.Targets))
		b.Release()
	}
	for _, start := range []int64{1, 17, 59} {
		config.StartStep = start
		resumed := newLoader(t, corpus, config)
		for step := start; step < 60; step++ {
			b := next(t, resumed)
			if b.Step != step || !slices.Equal(b.Inputs, inputs[step]) || !slices.Equal(b.Targets, targets[step]) {
				t.Fatalf("resumed at %d: step %d differs", start, step)
			}
			b.Release()
		}
	}
}

func TestLoaderDoesNotAllocate(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(5000), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 8, Seq: 128})
	ctx := context.Background()
	if n := testing.AllocsPerRun(200, func() {
		b, err := l.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
	}); n > 0 {
		t.Errorf("%g allocations a batch, want none", n)
	}
}

func TestLoaderClose(t *testing.T) {
	defer goleak.VerifyNone(t)
	corpus := buildCorpus(t, makeDocs(500), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 1, Seq: 8})
	next(t, l) // kept: closing must not wait for its release
	l.Close()
	l.Close()
	if _, err := l.Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Next after Close: %v, want %v", err, ErrClosed)
	}
}

func TestLoaderNextEndsWithContext(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(500), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 1, Seq: 8})
	for range ahead + 2 { // take every batch there is
		next(t, l)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if _, err := l.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next without a free batch: %v", err)
	}
}

func TestLoaderErrors(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(100), tokenizer.Bytes())
	for _, c := range []struct {
		config LoaderConfig
		want   string
	}{
		{LoaderConfig{Batch: 0, Seq: 8}, "batch (0)"},
		{LoaderConfig{Batch: 1, Seq: 0}, "data.seq (0)"},
		{LoaderConfig{Batch: 1, Seq: 102}, "the corpus holds 102 tokens, one sample of data.seq 102 needs 103"},
		{LoaderConfig{Batch: 1, Seq: 8, Rank: 2, Ranks: 2}, "rank (2) must lie in 0 to 1"},
		{LoaderConfig{Batch: 1, Seq: 8, StartStep: -1}, "start step (-1)"},
	} {
		_, err := NewLoader(corpus, c.config)
		wantError(t, c.want, err, c.want)
	}
}

func TestReleaseTwicePanics(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(500), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 1, Seq: 8})
	b := next(t, l)
	l.Close()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	for range ahead + 3 {
		b.Release()
	}
}
