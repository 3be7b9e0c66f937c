package data

import (
	"fmt"
	"iter"
)

// Heldout is a corpus cut for scoring: windows side by side, so that every
// token but the first is the target of exactly one position; of conversations a window
// is a row of whole ones.
type Heldout struct {
	// Tokens and Bytes are the targets that All supervises and the bytes of
	// text for which they stand: with the sum of their negative
	// log-likelihoods in nats, bits per byte = sum / ln 2 / Bytes.
	Tokens, Bytes int64
	// Batches is how many All yields.
	Batches int

	corpus  Corpus
	docs    documentStarts // if NumberDocuments was called
	parts   []part         // of its sources; nil of one
	rows    int
	seq     int
	windows int64        // in the corpus
	scored  int64        // of them
	places  []tokenRange // of the inputs of each; nil where they lie side by side
}

// HeldoutBatches cuts a corpus into batches of rows × seq. Of a corpus of more
// than maxTokens targets (0 is no limit) it keeps whole windows, spread
// evenly over it. A corpus of fewer than two tokens is an error.
func HeldoutBatches(corpus Corpus, rows, seq int, maxTokens int64) (*Heldout, error) {
	if rows < 1 || seq < 1 {
		return nil, fmt.Errorf("data: held-out batch of %d × %d tokens: both must be at least 1", rows, seq)
	}
	targets := corpus.Len() - 1
	if targets < 1 {
		return nil, fmt.Errorf("data: the held-out text holds %d tokens, scoring needs 2", corpus.Len())
	}
	h := &Heldout{corpus: corpus, rows: rows, seq: seq, windows: ceilDiv(targets, int64(seq))}
	if m, ok := corpus.(*TokenCorpus); ok && len(m.chats) > 0 {
		h.places = m.heldoutPlaces(seq)
		h.windows = int64(len(h.places))
	}
	if m, ok := corpus.(*TokenCorpus); ok && len(m.Sources()) > 0 {
		h.parts = m.parts
	}
	h.scored = h.windows
	if maxTokens > 0 {
		h.scored = min(h.windows, max(1, maxTokens/int64(seq)))
	}
	h.Batches = int(ceilDiv(h.scored, int64(rows)))
	for i := range h.scored {
		from, to := h.window(i)
		tokens, bytes := supervisedIn(corpus, from+1, to+1)
		h.Tokens, h.Bytes = h.Tokens+tokens, h.Bytes+bytes
	}
	return h, nil
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// NumberDocuments makes All fill Batch.Docs. A corpus that does not know its
// documents is an error.
func (h *Heldout) NumberDocuments() (err error) {
	h.docs, err = startsOf(h.corpus)
	return err
}

// Sources are the names of the text's sources, which Batch.Sources counts by; nil of one.
func (h *Heldout) Sources() []string { return namesOfParts(h.parts) }

// window is the range of inputs of the i-th window scored.
func (h *Heldout) window(i int64) (from, to int64) {
	i = i * h.windows / h.scored
	if h.places != nil {
		return h.places[i].from, h.places[i].to
	}
	from = i * int64(h.seq)
	return from, min(from+int64(h.seq), h.corpus.Len()-1)
}

// All yields the batches in order. They share one piece of memory: a batch is
// valid until the next one. The last may end in positions, or whole rows,
// whose targets are all [Ignored].
func (h *Heldout) All() iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		b := newBatch(h.rows, h.seq)
		if h.docs != nil {
			b.Docs = make([]int32, h.rows*h.seq)
		}
		if h.parts != nil {
			b.Sources = make([]int32, h.rows*h.seq)
		}
		window := make([]int32, h.seq+1)
		for step := range h.Batches {
			b.Step, b.Tokens, b.Length = int64(step), 0, 0
			for row := range h.rows {
				inputs, targets := b.row(row)
				n, from := 0, int64(0)
				if i := int64(step*h.rows + row); i < h.scored {
					var to int64
					from, to = h.window(i)
					n = int(to - from)
					h.corpus.Read(window[:n+1], from)
				}
				copy(inputs, window[:n])
				clear(inputs[n:])
				if n > 0 {
					copy(targets, window[1:n+1])
				}
				for j := n; j < h.seq; j++ {
					targets[j] = Ignored
				}
				b.Length += n
				b.Tokens += n - ignoreGiven(h.corpus, targets[:n], from+1)
				if h.parts != nil {
					numberParts(b.Sources[row*h.seq:][:n], h.parts, from+1)
				}
				if h.docs != nil {
					h.docs.number(b.Docs[row*h.seq:(row+1)*h.seq], span{start: from, n: n + 1, high: h.corpus.Len()})
				}
			}
			if !yield(b) {
				return
			}
		}
	}
}
