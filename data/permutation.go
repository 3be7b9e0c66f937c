package data

import "math/bits"

// permutation is a keyed bijection of 0…n-1: a Feistel network over the next
// even number of bits, walked along its cycle until it is back below n
// (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). It
// costs no memory and no preparation, whatever n is.
type permutation struct {
	n    uint64
	half int // bits in each half of a number
	keys [feistelRounds]uint64
}

const feistelRounds = 6

func newPermutation(n, key uint64) permutation {
	p := permutation{n: n, half: (bits.Len64(n-1) + 1) / 2}
	for i := range p.keys {
		key = mix(key + 0x9e3779b97f4a7c15)
		p.keys[i] = key
	}
	return p
}

// at returns the place of i; the network has less than 4n values, so the walk
// is short.
func (p permutation) at(i uint64) uint64 {
	if p.n <= 1 {
		return 0
	}
	for {
		if i = p.scramble(i); i < p.n {
			return i
		}
	}
}

func (p permutation) scramble(i uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	left, right := i>>p.half, i&mask
	for _, key := range p.keys {
		left, right = right, left^mix(right^key)&mask
	}
	return left<<p.half | right
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of
// the result depends on every bit of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
