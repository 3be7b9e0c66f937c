package data

import (
	"sort"
)

// joined is the order of a corpus of several parts that have no weights: an epoch visits
// each window of each part once, in an order of its own.
type joined struct {
	parts   []part
	windows []windows
	ends    []int64 // of the parts' windows among all
	seed    uint64
}

// newJoined opens the parts' windows, each for a seed of its own.
func newJoined(parts []part, seed uint64, open func(part, uint64) (windows, error)) (*joined, error) {
	j := &joined{parts: parts, seed: seed}
	total := int64(0)
	for i, p := range parts {
		w, err := openPart(i, p, seed, open)
		if err != nil {
			return nil, err
		}
		total += w.Windows()
		j.windows, j.ends = append(j.windows, w), append(j.ends, total)
	}
	return j, nil
}

func (j *joined) total() int64 { return j.ends[len(j.ends)-1] }

// span is where sample g of a run lies.
func (j *joined) span(g int64) span {
	epoch := g / j.total()
	key := mix(mix(j.seed^0x6a6f696e65640000) + uint64(epoch))
	at := int64(newPermutation(uint64(j.total()), key).at(uint64(g % j.total())))
	which := sort.Search(len(j.ends), func(i int) bool { return j.ends[i] > at })
	w, p := j.windows[which], j.parts[which]
	if which > 0 {
		at -= j.ends[which-1]
	}
	_, start, n := w.Sample(epoch*w.Windows() + at)
	return span{epoch: epoch, start: p.from + start, n: n, low: p.from, high: p.to, part: which}
}

func (j *joined) own() order { return j }

// passes is how far the first samples have come through all parts together.
func (j *joined) passes(samples int64) []Pass {
	last := j.parts[len(j.parts)-1]
	return []Pass{{Tokens: last.to - j.parts[0].from, Samples: samples, Windows: j.total()}}
}
