package data

import (
	"cmp"
	"math/bits"
	"slices"
)

// fitDecreasing puts items of the given sizes, each up to capacity, into bins of that
// capacity: the largest first, each into the fullest bin that has room for it
// (best-fit decreasing). It returns the items of each bin. Equal sizes keep their order.
func fitDecreasing(sizes []int, capacity int) (bins [][]int) {
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sizes[b], sizes[a]) })
	room := newRooms(capacity)
	for _, item := range order {
		bin, left := room.take(sizes[item])
		if bin < 0 {
			bin, left = len(bins), capacity
			bins = append(bins, nil)
		}
		bins[bin] = append(bins[bin], item)
		room.add(bin, left-sizes[item])
	}
	return bins
}

// rooms are bins by what room is left in them.
type rooms struct {
	bins [][]int  // by room
	any  []uint64 // a bit for each room that some bin has
}

func newRooms(capacity int) *rooms {
	return &rooms{make([][]int, capacity+1), make([]uint64, capacity/64+1)}
}

func (r *rooms) add(bin, room int) {
	r.bins[room] = append(r.bins[room], bin)
	r.any[room/64] |= 1 << (room % 64)
}

// take removes a bin of the least room that is enough, -1 where there is none.
func (r *rooms) take(size int) (bin, room int) {
	for word := size / 64; word < len(r.any); word++ {
		set := r.any[word]
		if word == size/64 {
			set &^= 1<<(size%64) - 1
		}
		if set == 0 {
			continue
		}
		room = 64*word + bits.TrailingZeros64(set)
		list := r.bins[room]
		bin, r.bins[room] = list[len(list)-1], list[:len(list)-1]
		if len(list) == 1 {
			r.any[word] &^= 1 << (room % 64)
		}
		return bin, room
	}
	return -1, 0
}

// binned are samples of whole conversations, each a row of them that follow each other.
type binned struct {
	starts []int64 // of the rows, relative to their part; the last is behind all
	seed   uint64
}

// Windows is the number of rows.
func (b binned) Windows() int64 { return int64(len(b.starts) - 1) }

// Sample is where sample number i lies.
func (b binned) Sample(i int64) (epoch, start int64, n int) {
	epoch = i / b.Windows()
	key := mix(mix(b.seed+0x9e3779b97f4a7c15) + uint64(epoch))
	at := newPermutation(uint64(b.Windows()), key).at(uint64(i % b.Windows()))
	return epoch, b.starts[at], int(b.starts[at+1] - b.starts[at])
}
