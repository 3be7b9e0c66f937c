// Package python has what benchmarks' definitions take from Python for granted: its
// random numbers, letters' case and white space.
package python

// Random is Python's random.Random: the Mersenne Twister MT19937 (Matsumoto and
// Nishimura, 1998), seeded by init_by_array as CPython seeds it with an integer.
type Random struct {
	state [twisterWords]uint32
	next  int
}

const (
	twisterWords = 624
	twisterShift = 397
)

// NewRandom is random.Random(seed).
func NewRandom(seed uint32) *Random {
	r := &Random{next: twisterWords}
	s := &r.state
	s[0] = 19650218
	for i := 1; i < twisterWords; i++ {
		s[i] = 1812433253*(s[i-1]^s[i-1]>>30) + uint32(i)
	}
	i := 1
	for range twisterWords {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1664525) + seed
		i = r.step(i)
	}
	for range twisterWords - 1 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1566083941) - uint32(i)
		i = r.step(i)
	}
	s[0] = 1 << 31
	return r
}

// step is the index after i when the state is seeded.
func (r *Random) step(i int) int {
	if i+1 < twisterWords {
		return i + 1
	}
	r.state[0] = r.state[twisterWords-1]
	return 1
}

// Uint32 is the twister's next number.
func (r *Random) Uint32() uint32 {
	if r.next == twisterWords {
		r.twist()
	}
	y := r.state[r.next]
	r.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *Random) twist() {
	s := &r.state
	for i := range s {
		y := s[i]&(1<<31) | s[(i+1)%twisterWords]&(1<<31-1)
		s[i] = s[(i+twisterShift)%twisterWords] ^ y>>1 ^ (y&1)*0x9908b0df
	}
	r.next = 0
}

// below is a number in [0, n), n < 2³²: getrandbits until one fits.
func (r *Random) below(n int) int {
	bits := 0
	for v := n; v > 0; v >>= 1 {
		bits++
	}
	for {
		if v := int(r.Uint32() >> (32 - bits)); v < n {
			return v
		}
	}
}

// Sample is the places that random.sample(range(n), k) draws, 0 ≤ k ≤ n: from a list
// that shrinks where n is small beside k, else with a set of those drawn.
func (r *Random) Sample(n, k int) []int {
	drawn := make([]int, k)
	list := 21
	if k > 5 {
		size := 1
		for size < 3*k {
			size *= 4
		}
		list += size
	}
	if n <= list {
		pool := make([]int, n)
		for i := range pool {
			pool[i] = i
		}
		for i := range drawn {
			j := r.below(n - i)
			drawn[i] = pool[j]
			pool[j] = pool[n-i-1]
		}
		return drawn
	}
	taken := make(map[int]bool, k)
	for i := range drawn {
		j := r.below(n)
		for taken[j] {
			j = r.below(n)
		}
		taken[j] = true
		drawn[i] = j
	}
	return drawn
}
