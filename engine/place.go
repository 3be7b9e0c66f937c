package engine

import (
	"cmp"
	"slices"
)

// alignment of every value in the arena: a cache line, which is also the
// widest vector.
const alignment = 64

// interval is a piece of memory that is in use from one instruction to another,
// both included.
type interval struct {
	bytes       int64
	first, last int
	offset      int64
	reused      bool // lies in the reused memory and not in the arena
}

func (iv *interval) start() int64 { return iv.offset }
func (iv *interval) end() int64   { return iv.offset + iv.bytes }

func (iv *interval) meets(other *interval) bool {
	return iv.first <= other.last && other.first <= iv.last
}

// reusable is memory of others, in which values may lie while nothing else does.
type reusable struct {
	bytes  int64
	placed []*interval // by their ends; at first what its owners keep there
}

// take finds room for iv, the highest that fits: gradients are written from the
// last layer to the first, so the top is needed first, and what lives longest
// finds room below only if the rest keeps out of it.
func (l *reusable) take(iv *interval) bool {
	end := l.bytes
	for _, p := range slices.Backward(l.placed) {
		if !p.meets(iv) {
			continue
		}
		if down(end-iv.bytes) >= p.end() {
			break
		}
		end = min(end, p.offset)
	}
	at := down(end - iv.bytes)
	if at < 0 {
		return false
	}
	iv.offset, iv.reused = at, true
	l.placed = insert(l.placed, iv, (*interval).end)
	return true
}

// layOut gives each interval an offset so that no two that overlap in time
// overlap in memory, and returns the size of the arena. The largest are placed
// first, each in the reused memory if there is room, else in the lowest gap of the
// arena that fits: for the stack-like lives of a backward pass this comes within
// a few percent of the peak of live bytes.
func layOut(intervals []*interval, reused *reusable) int64 {
	bySize := slices.Clone(intervals)
	slices.SortStableFunc(bySize, func(a, b *interval) int { return cmp.Compare(b.bytes, a.bytes) })
	var placed []*interval // by offset
	var size int64
	for _, iv := range bySize {
		if reused.take(iv) {
			continue
		}
		var at int64
		for _, p := range placed {
			if !p.meets(iv) {
				continue
			}
			if at+iv.bytes <= p.offset {
				break
			}
			at = max(at, p.end())
		}
		iv.offset = at
		placed = insert(placed, iv, (*interval).start)
		size = max(size, iv.end())
	}
	return size
}

// insert is placed, which is sorted by key, with iv.
func insert(placed []*interval, iv *interval, key func(*interval) int64) []*interval {
	i, _ := slices.BinarySearchFunc(placed, iv, func(a, b *interval) int { return cmp.Compare(key(a), key(b)) })
	return slices.Insert(placed, i, iv)
}

func aligned(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

// down is the last aligned offset that is not above n.
func down(n int64) int64 { return n &^ (alignment - 1) }
