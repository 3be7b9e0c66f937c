package data

import "fmt"

// Sampler says which window of a corpus is which sample of a run: a pure
// function of the seed and the sample's number.
//
// A window is seq+1 tokens, seq inputs and as many targets one to the right;
// windows lie seq tokens apart. An epoch visits each window once, in an order
// of its own, and starts the windows at a phase of its own (0 in the first),
// so that a later epoch meets the text in other frames. A window over the
// corpus's end goes on at its start.
type Sampler struct {
	tokens  int64
	seq     int
	seed    uint64
	windows int64
}

// NewSampler returns the sampler of a corpus of so many tokens. Fewer than
// seq+1 are an error that gives both numbers.
func NewSampler(tokens int64, seq int, seed uint64) (Sampler, error) {
	if seq < 1 {
		return Sampler{}, fmt.Errorf("data.seq (%d) must be at least 1", seq)
	}
	if tokens < int64(seq)+1 {
		return Sampler{}, fmt.Errorf("data: the corpus holds %d tokens, one sample of data.seq %d needs %d\nhint: train on more text or lower data.seq", tokens, seq, seq+1)
	}
	return Sampler{tokens, seq, seed, (tokens - 1) / int64(seq)}, nil
}

// Windows is the number of samples in an epoch.
func (s Sampler) Windows() int64 { return s.windows }

// Phase is where an epoch's first window starts, 0 to seq-1.
func (s Sampler) Phase(epoch int64) int64 {
	if epoch == 0 {
		return 0
	}
	return int64(s.key(epoch, 1) % uint64(s.seq))
}

// Start is the position of the first token of sample index (0 to Windows-1)
// of an epoch.
func (s Sampler) Start(epoch, index int64) int64 {
	order := newPermutation(uint64(s.windows), s.key(epoch, 0))
	return (s.Phase(epoch) + int64(order.at(uint64(index)))*int64(s.seq)) % s.tokens
}

// Sample is where sample number i (from 0) lies: its epoch, the position of its
// first token, and how many tokens it has, seq+1. Epochs follow each other
// without end.
func (s Sampler) Sample(i int64) (epoch, start int64, n int) {
	epoch = i / s.windows
	return epoch, s.Start(epoch, i%s.windows), s.seq + 1
}

// key derives the key of a purpose in an epoch from the seed.
func (s Sampler) key(epoch int64, purpose uint64) uint64 {
	return mix(mix(mix(s.seed+0x9e3779b97f4a7c15)+uint64(epoch)) + purpose)
}
