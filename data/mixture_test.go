package data

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"mobilellm/tokenizer"
)

// mixedCorpus is a corpus of parts whose tokens say which part they are of.
func mixedCorpus(t *testing.T, lengths []int, stages ...Stage) *TokenCorpus {
	t.Helper()
	m := newTokenCorpus(tokenizer.Bytes())
	mixed := &mixture{stages: stages}
	for i, n := range lengths {
		var s segment
		s.append(slices.Repeat([]int32{int32(i)}, n))
		mixed.parts = append(mixed.parts, part{"part", m.tokens, m.tokens + int64(n)})
		m.docs = append(m.docs, m.tokens)
		m.add(s)
	}
	m.mixture = mixed
	return m
}

func TestMixtureShares(t *testing.T) {
	const seq = 10
	corpus := mixedCorpus(t, []int{1000, 5000, 300}, Stage{0, []float64{1, 2, 1}}, Stage{400_000, []float64{0, 1, 3}})
	order, err := newOrder(corpus, LoaderConfig{Seq: seq, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to int64
		want     []float64
	}{{0, 40_000, []float64{0.25, 0.5, 0.25}}, {40_000, 90_000, []float64{0, 0.25, 0.75}}} {
		counts := make([]float64, 3)
		for g := c.from; g < c.to; g++ {
			s := order.span(g)
			which := slices.IndexFunc(corpus.mixture.parts, func(p part) bool { return s.start >= p.from && s.start < p.to })
			counts[which]++
			if s.low != corpus.mixture.parts[which].from || s.high != corpus.mixture.parts[which].to {
				t.Fatalf("sample %d: %+v in part %d", g, s, which)
			}
		}
		for i, want := range c.want {
			if got := counts[i] / float64(c.to-c.from); math.Abs(got-want) > 0.01 {
				t.Errorf("samples %d to %d: part %d has a share of %.3f, want %.3f", c.from, c.to, i, got, want)
			}
		}
	}
}

// A batch says of which source each target is, the held-out text by its positions.
func TestBatchSources(t *testing.T) {
	corpus := mixedCorpus(t, []int{3000, 5000}, Stage{0, []float64{1, 1}})
	l := newLoader(t, corpus, LoaderConfig{Batch: 8, Seq: 16, Seed: 2})
	defer l.Close()
	for range 20 {
		b := next(t, l)
		if !slices.Equal(b.Sources, b.Targets) {
			t.Fatalf("sources %v of tokens %v", b.Sources, b.Targets)
		}
		b.Release()
	}
	corpus.parts, corpus.mixture = corpus.mixture.parts, nil
	h, err := HeldoutBatches(corpus, 3, 16, 0)
	if err != nil {
		t.Fatal(err)
	}
	if names := h.Sources(); !slices.Equal(names, []string{"part", "part"}) {
		t.Errorf("sources %q", names)
	}
	for b := range h.All() {
		for i, target := range b.Targets {
			if target != Ignored && b.Sources[i] != target {
				t.Fatalf("batch %d: target %d is of source %d", b.Step, i, b.Sources[i])
			}
		}
	}
	corpus.parts = nil
	if h, err = HeldoutBatches(corpus, 3, 16, 0); err != nil || h.Sources() != nil {
		t.Errorf("of one source: %q, %v", h.Sources(), err)
	}
}

// Each part is read window by window through the stages, none twice and none
// left out in an epoch of its own.
func TestMixtureVisitsEachWindowOnce(t *testing.T) {
	const seq = 10
	corpus := mixedCorpus(t, []int{100_001, 200_001}, Stage{0, []float64{1, 3}}, Stage{123_450, []float64{1, 1}})
	order, err := newOrder(corpus, LoaderConfig{Seq: seq, Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[[2]int64]int64)
	most := make([]int64, 2)
	for g := range int64(60_000) {
		s := order.span(g)
		key := [2]int64{s.epoch, s.start}
		if before, twice := seen[key]; twice {
			t.Fatalf("samples %d and %d are both at token %d of epoch %d", before, g, s.start, s.epoch)
		}
		seen[key] = g
		which := 0
		if s.low > 0 {
			which = 1
		}
		most[which] = max(most[which], s.epoch)
	}
	counts := make(map[[2]int64]int64)
	for key := range seen {
		which := int64(0)
		if key[1] >= 100_001 {
			which = 1
		}
		counts[[2]int64{which, key[0]}]++
	}
	for which, last := range most {
		for epoch := range last {
			if n := counts[[2]int64{int64(which), epoch}]; n != []int64{10_000, 20_000}[which] {
				t.Errorf("epoch %d of part %d has %d windows", epoch, which, n)
			}
		}
	}
	if most[0] < 1 {
		t.Error("no part came to its second epoch")
	}
}

func TestMixtureRanksAndResume(t *testing.T) {
	corpus := mixedCorpus(t, []int{3000, 5000}, Stage{0, []float64{1, 1}}, Stage{2000, []float64{1, 4}})
	config := LoaderConfig{Batch: 8, Seq: 16, Seed: 2}
	whole := newLoader(t, corpus, config)
	var want [][]int32
	for range 40 {
		b := next(t, whole)
		want = append(want, slices.Clone(b.Inputs))
		b.Release()
	}
	config.StartStep = 20
	resumed := newLoader(t, corpus, config)
	if b := next(t, resumed); !slices.Equal(b.Inputs, want[20]) {
		t.Error("a resumed loader gives other samples")
	}
	config.StartStep, config.Batch, config.Ranks = 0, 4, 2
	for rank := range 2 {
		config.Rank = rank
		l := newLoader(t, corpus, config)
		for step := range 40 {
			b := next(t, l)
			if half := want[step][rank*64 : rank*64+64]; !slices.Equal(b.Inputs, half) {
				t.Fatalf("step %d, rank %d: other samples than the same rows of one process", step, rank)
			}
			b.Release()
		}
	}
}

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		weights, want []float64
	}{
		{[]float64{1}, []float64{1}},
		{[]float64{1, 1}, []float64{0.5, 1}},
		{[]float64{0, 2, 6}, []float64{0, 0.25, 1}},
		{[]float64{1, 0}, []float64{1, 1}},
	} {
		for i, end := range divide(c.weights) {
			if end != int64(c.want[i]*period) {
				t.Errorf("%v: %v", c.weights, divide(c.weights))
			}
		}
	}
	if ends := divide([]float64{1, 1e-9, 1e-9}); ends[1]-ends[0] != 1 || ends[2] != period {
		t.Errorf("a small share has no place: %v", ends)
	}
}

func TestPackDocuments(t *testing.T) {
	// Documents of 4, 3, 9, 1 and 6 tokens in samples of 6+1.
	m := newTokenCorpus(tokenizer.Bytes())
	var s segment
	for i, n := range []int{4, 3, 9, 1, 6} {
		m.docs = append(m.docs, s.len())
		s.append(slices.Repeat([]int32{int32(10 + i)}, n))
	}
	m.add(s)
	w, err := newPacked(m, part{to: m.Len()}, 6, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{0, 7, 13, 17, 23}; !slices.Equal(w.starts, want) {
		t.Fatalf("samples start at %v, want %v", w.starts, want)
	}
	l := newLoader(t, m, LoaderConfig{Batch: 4, Seq: 6, Seed: 1, Packing: PackDocuments, Docs: true})
	b := next(t, l)
	want := map[int32]struct {
		inputs, targets, docs []int32
	}{
		10: {[]int32{10, 10, 10, 10, 11, 11}, []int32{10, 10, 10, 11, 11, 11}, []int32{0, 0, 0, 0, 1, 1}},
		12: {[]int32{12, 12, 12, 12, 12, 12}, []int32{12, 12, 12, 12, 12, 12}, []int32{0, 0, 0, 0, 0, 0}},
		14: {[]int32{14, 14, 14, 14, 14, 0}, []int32{14, 14, 14, 14, 14, Ignored}, []int32{0, 0, 0, 0, 0, 1}},
	}
	tokens := 0
	for row := range 4 {
		inputs, targets := b.row(row)
		docs := b.Docs[row*6 : row*6+6]
		c, ok := want[inputs[0]]
		if inputs[0] == 12 && inputs[3] == 13 { // the rest of the long document
			c.inputs, c.targets, c.docs = []int32{12, 12, 12, 0, 0, 0}, []int32{12, 12, 13, Ignored, Ignored, Ignored}, []int32{0, 0, 0, 1, 1, 1}
		}
		if inputs[0] == 12 && targets[3] == Ignored {
			c.inputs, c.targets, c.docs = []int32{12, 12, 12, 0, 0, 0}, []int32{12, 12, 13, Ignored, Ignored, Ignored}, []int32{0, 0, 0, 1, 1, 1}
		}
		if !ok || !slices.Equal(inputs, c.inputs) || !slices.Equal(targets, c.targets) || !slices.Equal(docs, c.docs) {
			t.Errorf("row %v → %v, documents %v", inputs, targets, docs)
		}
		for _, id := range targets {
			if id != Ignored {
				tokens++
			}
		}
	}
	if b.Tokens != tokens {
		t.Errorf("%d tokens, counted %d", b.Tokens, tokens)
	}
}

func TestDocumentNumbersInStream(t *testing.T) {
	corpus := buildCorpus(t, makeDocs(300, 700, 2000), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 4, Seq: 32, Seed: 3, Docs: true})
	plain := newLoader(t, corpus, LoaderConfig{Batch: 4, Seq: 32, Seed: 3})
	crossed := 0
	for range 50 {
		b, p := next(t, l), next(t, plain)
		if !slices.Equal(b.Inputs, p.Inputs) || p.Docs != nil {
			t.Fatal("asking for documents changes the samples")
		}
		for i, doc := range b.Docs {
			switch {
			case i%32 == 0:
				if doc != 0 {
					t.Fatalf("a row starts with document %d", doc)
				}
			case doc != b.Docs[i-1]:
				crossed++
				if b.Inputs[i] != endOfText || doc != b.Docs[i-1]+1 {
					t.Fatalf("document %d after %d, begins with id %d", doc, b.Docs[i-1], b.Inputs[i])
				}
			}
		}
		b.Release()
		p.Release()
	}
	if crossed == 0 {
		t.Error("no row holds two documents")
	}
}

// Steps of 5 ms, much shorter than any real one, hardly wait for data.
func TestShareOfTimeWaiting(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: measures time")
	}
	corpus := buildCorpus(t, makeDocs(200_000), tokenizer.Bytes())
	l := newLoader(t, corpus, LoaderConfig{Batch: 8, Seq: 512, Seed: 1})
	next(t, l).Release()
	begun, before := time.Now(), l.Waited()
	for range 200 {
		b, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		b.Release()
	}
	share := float64(l.Waited()-before) / float64(time.Since(begun))
	t.Logf("waited %.4f %% of the time", 100*share)
	if share > 0.005 {
		t.Errorf("waited %.2f %% of the time", 100*share)
	}
}

// What a configuration says of weights is what it reads again, 0 too.
func TestWeightsAreKept(t *testing.T) {
	sources := Sources{{Path: "a", Weight: 0}, {Path: "b", Weight: 1}, {Path: "c", Weight: 0.5}}
	text, err := yaml.Marshal(sources)
	if err != nil {
		t.Fatal(err)
	}
	var again Sources
	if err := yaml.Unmarshal(text, &again); err != nil || !slices.Equal(again, sources) {
		t.Errorf("%v, %v: written as\n%s", again, err, text)
	}
}
