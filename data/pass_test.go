package data

import (
	"slices"
	"testing"

	"mobilellm/tokenizer"
)

// Where a run stands is where its samples have come, however they are cut and mixed.
func TestPosition(t *testing.T) {
	const seq, batch = 16, 3
	text := buildCorpus(t, makeDocs(300, 40, 500, 90, 20, 20, 330), tokenizer.Bytes())
	stage := func(after int64, weights ...float64) Stage { return Stage{after, weights} }
	for _, c := range []struct {
		name    string
		corpus  *TokenCorpus
		packing Packing
	}{
		{"stream", text, PackStream},
		{"documents", text, PackDocuments},
		{"mixture", mixedCorpus(t, []int{500, 900}, stage(0, 3, 1)), PackStream},
		{"mixture of documents", mixedCorpus(t, []int{500, 900}, stage(0, 1, 1)), PackDocuments},
		{"stages", mixedCorpus(t, []int{400, 700}, stage(0, 1, 0), stage(2000, 1, 2), stage(9000, 0, 1)), PackStream},
		{"a source that is never read", mixedCorpus(t, []int{400, 700, 300}, stage(0, 1, 0, 1)), PackStream},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := LoaderConfig{Batch: batch, Seq: seq, Seed: 7, Packing: c.packing}
			l := newLoader(t, c.corpus, config)
			order, err := newOrder(c.corpus, config)
			if err != nil {
				t.Fatal(err)
			}
			parts := []part{{to: c.corpus.Len()}}
			if c.corpus.mixture != nil {
				parts = c.corpus.mixture.parts
			}
			drawn := make([]int64, len(parts))
			var epoch, begun int64
			for samples := range int64(2000) {
				passes := l.Passes(samples)
				least := int64(1 << 60)
				for _, p := range passes {
					least = min(least, p.Samples/p.Windows)
				}
				if least > epoch {
					epoch, begun = least, samples
				}
				if e, s := l.Position(samples); samples%97 == 0 && (e != epoch || s != samples-begun) {
					t.Fatalf("after %d samples: epoch %d, sample %d, want %d and %d", samples, e, s, epoch, samples-begun)
				}
				got := slices.Collect(func(yield func(int64) bool) {
					for _, p := range passes {
						yield(p.Samples)
					}
				})
				want := drawn
				if len(got) < len(parts) { // the one in the middle is not read
					want = []int64{drawn[0], drawn[2]}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("after %d samples: %v of each source, want %v", samples, got, want)
				}
				s := order.span(samples)
				which := slices.IndexFunc(parts, func(p part) bool { return s.start >= p.from && s.start < p.to })
				if want := drawn[which] / windowsOf(passes, which, len(parts)); s.epoch != want {
					t.Fatalf("sample %d is of pass %d, counted %d", samples, s.epoch, want)
				}
				drawn[which]++
			}
			if epoch < 2 {
				t.Errorf("only %d passes", epoch)
			}
		})
	}
}

func windowsOf(passes []Pass, which, parts int) int64 {
	if len(passes) < parts && which == 2 {
		which = 1
	}
	return passes[which].Windows
}
