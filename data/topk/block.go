package topk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// A block is a window's ids, row after row, then its log-probabilities as whole
// steps below 0, the mean share of probability that a row's k hold, and the
// checksum of the block's number and all that.

// appendBlock appends block number n, of which ids and logp hold the first rows;
// rows beyond them are 0.
func (m Meta) appendBlock(dst []byte, n int64, ids []int32, logp []float32) ([]byte, error) {
	le, from := binary.LittleEndian, len(dst)
	for _, id := range ids {
		if id < 0 || int(id) >= m.Vocab {
			return nil, fmt.Errorf("id %d is outside the vocabulary of %d", id, m.Vocab)
		}
		if m.width() == 2 {
			dst = le.AppendUint16(dst, uint16(id))
		} else {
			dst = le.AppendUint32(dst, uint32(id))
		}
	}
	missing := m.entries() - len(ids)
	dst = append(dst, make([]byte, missing*m.width())...)
	share := 0.0
	for i, l := range logp {
		if !(l <= 1e-3) {
			return nil, fmt.Errorf("log-probability %d is %v", i, l)
		}
		share += math.Exp(float64(l))
		dst = le.AppendUint16(dst, uint16(min(math.MaxUint16, max(0, math.RoundToEven(-float64(l)/unit)))))
	}
	dst = append(dst, make([]byte, 2*missing)...)
	share /= float64(max(len(ids)/m.K, 1))
	dst = le.AppendUint32(dst, math.Float32bits(float32(share)))
	return le.AppendUint32(dst, blockSum(n, dst[from:])), nil
}

func blockSum(n int64, block []byte) uint32 {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], uint64(n))
	return crc32.Update(crc32.Checksum(number[:], castagnoli), castagnoli, block)
}

// sound reports whether a block's checksum fits.
func sound(n int64, block []byte) bool {
	end := len(block) - 4
	return binary.LittleEndian.Uint32(block[end:]) == blockSum(n, block[:end])
}

func shareOf(block []byte) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(block[len(block)-trailer:])))
}

// rows reads rows of a block from the first on, as many as ids has. An id outside
// the vocabulary, in a block whose checksum fits, is the writer's mistake and an
// error all the same: it would be an address.
func (m Meta) rows(block []byte, first int, ids []int32, logp []float32) error {
	le, from := binary.LittleEndian, first*m.K
	if m.width() == 2 {
		for i := range ids {
			ids[i] = int32(le.Uint16(block[2*(from+i):]))
		}
	} else {
		for i := range ids {
			ids[i] = int32(le.Uint32(block[4*(from+i):]))
		}
	}
	for _, id := range ids {
		if id < 0 || int(id) >= m.Vocab {
			return fmt.Errorf("%w: id %d is outside the vocabulary of %d", ErrFormat, id, m.Vocab)
		}
	}
	levels := block[m.entries()*m.width():]
	for i := range logp {
		logp[i] = -unit * float32(le.Uint16(levels[2*(from+i):]))
	}
	return nil
}
