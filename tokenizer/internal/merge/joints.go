package merge

import "unicode/utf8"

// Joints says which two characters stand side by side in some piece. Between
// any other two no merge can reach, so that a text may be cut there into words
// which are merged, and remembered, one by one. Characters outside ASCII are
// hashed: a collision only makes a word longer.
type Joints struct {
	ascii [utf8.RuneSelf][utf8.RuneSelf / 64]uint64
	wide  [1 << 14]uint64 // 2^20 bits
}

func jointHash(a, b rune) uint32 {
	return uint32((uint64(uint32(a))<<32 | uint64(uint32(b))) * 0x9e3779b97f4a7c15 >> 44)
}

// Add takes note of a piece.
func (j *Joints) Add(piece string) {
	previous := rune(-1)
	for _, r := range piece {
		if previous >= 0 {
			if previous < utf8.RuneSelf && r < utf8.RuneSelf {
				j.ascii[previous][r>>6] |= 1 << (r & 63)
			}
			h := jointHash(previous, r)
			j.wide[h>>6] |= 1 << (h & 63)
		}
		previous = r
	}
}

// Has says whether a piece may hold a before b.
func (j *Joints) Has(a, b rune) bool {
	if a < utf8.RuneSelf && b < utf8.RuneSelf {
		return j.ascii[a][b>>6]>>(b&63)&1 == 1
	}
	h := jointHash(a, b)
	return j.wide[h>>6]>>(h&63)&1 == 1
}
