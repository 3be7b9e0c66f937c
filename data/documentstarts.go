package data

import (
	"errors"
	"sort"
)

// documentStarts are the positions in a corpus at which its documents begin, in
// order.
type documentStarts []int64

func startsOf(corpus Corpus) (documentStarts, error) {
	d, ok := corpus.(documented)
	if !ok || len(d.Documents()) == 0 {
		return nil, errors.New("data: the corpus does not know its documents")
	}
	return d.Documents(), nil
}

// after is the first document that begins behind a position.
func (d documentStarts) after(at int64) int {
	return sort.Search(len(d), func(i int) bool { return d[i] > at })
}

// number gives each position of a row the number of its document in the row,
// from 0; what is left of the row has a number of its own.
func (d documentStarts) number(row []int32, place span) {
	at, next := place.start, d.after(place.start)
	doc := int32(0)
	for i := range row {
		switch {
		case i == place.n-1: // filling
			doc++
		case i >= place.n:
		case at == place.high:
			at = place.low
			next = d.after(at)
			doc++
		case i > 0 && next < len(d) && d[next] == at:
			doc++
			next = d.after(at)
		}
		row[i] = doc
		at++
	}
}

// Starts fills dst, whole rows from row first on, with the position in its row
// at which each position's document begins. It needs Docs.
func (b *Batch) Starts(dst []int32, first int) {
	docs := b.Docs[first*b.Seq:][:len(dst)]
	for i, doc := range docs {
		switch {
		case i%b.Seq == 0:
			dst[i] = 0
		case doc == docs[i-1]:
			dst[i] = dst[i-1]
		default:
			dst[i] = int32(i % b.Seq)
		}
	}
}
