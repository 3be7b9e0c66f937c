package dedup

import "math"

const (
	shingleWords = 5
	signature    = 128 // hashes of a signature
	bands        = 16  // of 8 hashes each: copies of 80 % are met with 95 % certainty
	bandHashes   = signature / bands
)

// Signature is a document's MinHash: two documents agree in about as many
// places as their sets of five-word runs overlap (Jaccard similarity).
type Signature [signature]uint32

// Sign computes a document's signature; ok is false for one without words.
func Sign(text []byte) (s *Signature, ok bool) {
	var minima [signature]uint64
	for i := range minima {
		minima[i] = math.MaxUint64
	}
	add := func(hash uint64) {
		for i := range minima {
			if h := hash*multipliers[i] ^ hash>>32*multipliers[i]; h < minima[i] {
				minima[i] = h
			}
		}
	}
	words := grams(text, shingleWords, add)
	if words == 0 {
		return nil, false
	}
	if words < shingleWords {
		grams(text, words, add)
	}
	s = new(Signature)
	for i, h := range minima {
		s[i] = uint32(mix(h))
	}
	return s, true
}

var multipliers = func() (m [signature]uint64) {
	for i := range m {
		m[i] = mix(uint64(i+1)*0x9e3779b97f4a7c15) | 1
	}
	return m
}()

// Near remembers documents and finds those that are much like an earlier one.
// It takes about 800 bytes a document.
type Near struct {
	threshold  float64
	signatures []*Signature
	buckets    [bands]map[uint64][]int32
}

// NewNear calls documents alike whose sets of five-word runs overlap by the
// threshold (0 to 1) or more, as their signatures estimate it.
func NewNear(threshold float64) *Near {
	n := &Near{threshold: threshold}
	for i := range n.buckets {
		n.buckets[i] = make(map[uint64][]int32)
	}
	return n
}

// Seen says whether an earlier document is alike; if none is, it remembers
// this one.
func (n *Near) Seen(s *Signature) bool {
	var keys [bands]uint64
	for b := range keys {
		for _, h := range s[b*bandHashes : (b+1)*bandHashes] {
			keys[b] = mix(keys[b] ^ uint64(h))
		}
	}
	for b, key := range keys {
		for _, other := range n.buckets[b][key] {
			if n.overlap(s, n.signatures[other]) >= n.threshold {
				return true
			}
		}
	}
	for b, key := range keys {
		n.buckets[b][key] = append(n.buckets[b][key], int32(len(n.signatures)))
	}
	n.signatures = append(n.signatures, s)
	return false
}

func (n *Near) overlap(a, b *Signature) float64 {
	same := 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	return float64(same) / signature
}
