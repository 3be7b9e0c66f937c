package data

import (
	"fmt"
	"slices"
)

// Packing is how samples are cut from the tokens.
type Packing string

// The ways to pack.
const (
	// PackStream cuts the tokens into samples as they follow each other.
	PackStream Packing = "stream"
	// PackDocuments fills a sample with whole documents that follow each other
	// and leaves the rest of it unsupervised; a document that is longer than a
	// sample begins one and goes on in the next.
	PackDocuments Packing = "documents"
)

// windows are the samples of a range of tokens: [Sampler] or packed.
type windows interface {
	// Windows is the number of samples in an epoch.
	Windows() int64
	// Sample is where sample number i (from 0) lies: its epoch, where its
	// tokens start in the range, and how many they are: seq+1, or fewer where
	// documents are packed.
	Sample(i int64) (epoch, start int64, n int)
}

// span is where the tokens of a sample lie: n of them from start on; one that
// reaches high goes on at low.
type span struct {
	epoch, start int64
	n            int
	low, high    int64
	part         int // of the corpus, 0 where it has one
}

// read fills dst with the tokens of a span.
func (s span) read(c Corpus, dst []int32) {
	at := s.start
	for dst = dst[:s.n]; len(dst) > 0; at = s.low {
		n := min(int64(len(dst)), s.high-at)
		c.Read(dst[:n], at)
		dst = dst[n:]
	}
}

// readTeacher reads what a teacher stored of the span's positions, as many as ids
// has room for.
func (s span) readTeacher(t Teacher, ids []int32, logp []float32) error {
	k := t.Top()
	for at := s.start; len(ids) > 0; at = s.low {
		n := min(int64(len(ids)/k), s.high-at)
		if err := t.Read(ids[:n*int64(k)], logp[:n*int64(k)], at); err != nil {
			return err
		}
		ids, logp = ids[n*int64(k):], logp[n*int64(k):]
	}
	return nil
}

// documented is a corpus that knows where its documents start.
type documented interface{ Documents() []int64 }

// newOrder returns the order of a corpus's samples, which serves one goroutine.
func newOrder(corpus Corpus, config LoaderConfig) (order, error) {
	m, _ := corpus.(*TokenCorpus)
	open := func(p part, seed uint64) (windows, error) {
		if rows := m.rows(p.from); rows != nil {
			return binned{rows, seed}, nil
		}
		if config.Packing == PackDocuments {
			return newPacked(corpus, p, config.Seq, seed)
		}
		return NewSampler(p.to-p.from, config.Seq, seed)
	}
	switch {
	case m == nil:
	case m.mixture != nil:
		mixed, err := newMixedSampler(m.mixture, config.Seq, config.Seed, open)
		if err != nil {
			return nil, err
		}
		return mixed, nil
	case m.parts != nil:
		all, err := newJoined(m.parts, config.Seed, open)
		if err != nil {
			return nil, err
		}
		return all, nil
	}
	w, err := open(part{to: corpus.Len()}, config.Seed)
	if err != nil {
		return nil, err
	}
	return single{w, corpus.Len()}, nil
}

// packed are samples of whole documents. Their starts take 8 bytes each.
type packed struct {
	starts []int64 // relative to the part; the last is behind the last sample
	seq    int
	seed   uint64
}

func newPacked(corpus Corpus, p part, seq int, seed uint64) (*packed, error) {
	d, ok := corpus.(documented)
	if !ok {
		return nil, fmt.Errorf("data.packing %q needs a corpus that knows its documents", PackDocuments)
	}
	if _, err := NewSampler(p.to-p.from, seq, seed); err != nil {
		return nil, err
	}
	docs := d.Documents()
	first, _ := slices.BinarySearch(docs, p.from+1)
	ends := append([]int64(nil), docs[first:]...)
	if last, _ := slices.BinarySearch(ends, p.to); last < len(ends) {
		ends = ends[:last]
	}
	ends = append(ends, p.to)
	w := &packed{starts: []int64{0}, seq: seq, seed: seed}
	begin, previous := p.from, p.from // of the sample and of the document
	for _, end := range ends {
		if end-begin > int64(seq)+1 && previous > begin {
			w.starts = append(w.starts, previous-p.from)
			begin = previous
		}
		for end-begin > int64(seq)+1 { // longer than a sample; the last token is the next one's first
			begin += int64(seq)
			w.starts = append(w.starts, begin-p.from)
		}
		previous = end
	}
	w.starts = append(w.starts, p.to-p.from)
	return w, nil
}

// Windows is the number of samples in an epoch.
func (p *packed) Windows() int64 { return int64(len(p.starts) - 1) }

// Sample is where sample number i lies.
func (p *packed) Sample(i int64) (epoch, start int64, n int) {
	epoch = i / p.Windows()
	key := mix(mix(p.seed+0x9e3779b97f4a7c15) + uint64(epoch))
	at := newPermutation(uint64(p.Windows()), key).at(uint64(i % p.Windows()))
	start = p.starts[at]
	end := p.starts[at+1]
	if end-start == int64(p.seq) && int(at)+2 < len(p.starts) {
		end++ // the next sample goes on with this document: its first token is the last target here
	}
	return epoch, start, int(end - start)
}
