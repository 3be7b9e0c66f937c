package data

import "sort"

// Pass is how far the samples of a run have come through a source: through all text,
// or of a mixture through each of its sources.
type Pass struct {
	Source  string // its path in data.train, empty for all text
	Tokens  int64  // of the source
	Samples int64  // drawn from it
	Windows int64  // samples in one pass
}

// Passes is how often the source has been read through.
func (p Pass) Passes() float64 { return float64(p.Samples) / float64(p.Windows) }

// order says which tokens are which sample of a run.
type order interface {
	// span is where sample g of a run lies.
	span(g int64) span
	// passes is how far the first samples have come.
	passes(samples int64) []Pass
	// own is the same order for another goroutine.
	own() order
}

// single is the order of a text that is read as one.
type single struct {
	windows
	tokens int64
}

func (s single) span(g int64) span {
	epoch, start, n := s.Sample(g)
	return span{epoch: epoch, start: start, n: n, high: s.tokens}
}

func (s single) own() order { return s }

func (s single) passes(samples int64) []Pass {
	return []Pass{{Tokens: s.tokens, Samples: samples, Windows: s.Windows()}}
}

// passes is how far each source has come that some stage draws from.
func (s *mixedSampler) passes(samples int64) []Pass {
	var list []Pass
	for i, n := range s.given(samples) {
		if w := s.samplers[i]; w != nil {
			list = append(list, Pass{s.parts[i].name, s.parts[i].to - s.parts[i].from, n, w.Windows()})
		}
	}
	return list
}

// Passes is how far the first samples of a run have come, those of all processes
// together.
func (l *Loader) Passes(samples int64) []Pass { return l.counts.passes(samples) }

// Position says how many passes over the text the first samples of a run have
// completed, and how many samples were drawn since. A mixture has completed a pass
// when each of its sources has been read through so often.
func (l *Loader) Position(samples int64) (epoch, sample int64) {
	epoch = complete(l.counts.passes(samples))
	if epoch == 0 {
		return 0, samples
	}
	begun := sort.Search(int(samples), func(g int) bool { return complete(l.counts.passes(int64(g))) >= epoch })
	return epoch, samples - int64(begun)
}

// complete is how often the source that is furthest behind was read through.
func complete(passes []Pass) int64 {
	least := passes[0].Samples / passes[0].Windows
	for _, p := range passes[1:] {
		least = min(least, p.Samples/p.Windows)
	}
	return least
}
