package dedup

import (
	"unicode"
	"unicode/utf8"
)

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// eachWord calls yield with the hash of each word of text: a run of letters
// and digits, without regard to case.
func eachWord(text []byte, yield func(uint64)) {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	hash, inside := uint64(offset), false
	for i := 0; i < len(text); {
		r, width := rune(text[i]), 1
		switch {
		case r >= 'A' && r <= 'Z':
			r |= 0x20
		case r >= utf8.RuneSelf:
			r, width = utf8.DecodeRune(text[i:])
			r = unicode.ToLower(r)
		}
		i += width
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsNumber(r)) {
			hash, inside = (hash^uint64(r))*prime, true
			continue
		}
		if inside {
			yield(mix(hash))
			hash, inside = offset, false
		}
	}
	if inside {
		yield(mix(hash))
	}
}

// grams calls yield with the hash of each run of n words of text and returns
// how many words there are.
func grams(text []byte, n int, yield func(uint64)) (words int) {
	const base = 0x9e3779b97f4a7c15 // odd: rolling modulo 2^64
	var power uint64 = 1
	for range n {
		power *= base
	}
	window := make([]uint64, n)
	var rolling uint64
	eachWord(text, func(word uint64) {
		at := words % n
		rolling = rolling*base + word
		if words >= n {
			rolling -= window[at] * power
		}
		window[at] = word
		if words++; words >= n {
			yield(mix(rolling))
		}
	})
	return words
}
