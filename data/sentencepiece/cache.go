package sentencepiece

import "sync/atomic"

const (
	cacheSlots    = 1 << 16
	longestCached = 32 // bytes; longer words are too rare to be worth keeping
)

// cache remembers the ids of words seen before. A word has one slot, by its
// hash; the newcomer displaces whom it finds. Entries never change once
// stored, so readers and writers need no lock and memory is bounded.
type cache [cacheSlots]atomic.Pointer[cachedWord]

type cachedWord struct {
	word string
	ids  []int32
}

func (c *cache) slot(hash uint64) *atomic.Pointer[cachedWord] { return &c[hash%cacheSlots] }
