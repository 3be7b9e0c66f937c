package engine

import (
	"cmp"
	"slices"
)

// alignment of every value in the arena: a cache line, which is also the
// widest vector.
const alignment = 64

// interval is a piece of the arena that is in use from one instruction to
// another, both included.
type interval struct {
	bytes       int64
	first, last int
	offset      int64
}

// layOut gives each interval an offset so that no two that overlap in time
// overlap in memory, and returns the size of the arena. The largest are placed
// first, each in the lowest gap that fits: for the stack-like lives of a
// backward pass this comes within a few percent of the peak of live bytes.
func layOut(intervals []*interval) int64 {
	bySize := slices.Clone(intervals)
	slices.SortStableFunc(bySize, func(a, b *interval) int { return cmp.Compare(b.bytes, a.bytes) })
	var placed []*interval // by offset
	var size int64
	for _, iv := range bySize {
		var at int64
		for _, p := range placed {
			if p.last < iv.first || iv.last < p.first {
				continue
			}
			if at+iv.bytes <= p.offset {
				break
			}
			at = max(at, p.offset+p.bytes)
		}
		iv.offset = at
		i, _ := slices.BinarySearchFunc(placed, iv, func(a, b *interval) int { return cmp.Compare(a.offset, b.offset) })
		placed = slices.Insert(placed, i, iv)
		size = max(size, at+iv.bytes)
	}
	return size
}

func aligned(n int64) int64 { return (n + alignment - 1) / alignment * alignment }
