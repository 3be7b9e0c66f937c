package merge

import (
	"hash/maphash"
	"slices"
	"sync/atomic"
)

const (
	cacheSlots    = 1 << 16
	longestCached = 32 // bytes; longer words are too rare to be worth keeping
)

// Cache remembers the ids of words seen before. A word has one slot, by its
// hash; the newcomer displaces whom it finds. Entries never change once
// stored, so readers and writers need no lock and memory is bounded.
type Cache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cachedWord]
}

type cachedWord struct {
	word string
	ids  []int32
}

// NewCache is an empty cache.
func NewCache() *Cache { return &Cache{seed: maphash.MakeSeed()} }

func (c *Cache) slot(word []byte) *atomic.Pointer[cachedWord] {
	return &c.slots[maphash.Bytes(c.seed, word)%cacheSlots]
}

// Get returns a word's ids, which the caller leaves as they are.
func (c *Cache) Get(word []byte) (ids []int32, ok bool) {
	if len(word) > longestCached {
		return nil, false
	}
	if known := c.slot(word).Load(); known != nil && known.word == string(word) {
		return known.ids, true
	}
	return nil, false
}

// Put keeps a copy of a word's ids.
func (c *Cache) Put(word []byte, ids []int32) {
	if len(word) <= longestCached {
		c.slot(word).Store(&cachedWord{string(word), slices.Clone(ids)})
	}
}
