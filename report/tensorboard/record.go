package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is a CRC as it may stand within data that a CRC is made of.
func masked(data []byte) uint32 {
	return bits.RotateLeft32(crc32.Checksum(data, castagnoli), -15) + 0xa282ead8
}

const frame = 8 + 4 + 4 // length, its CRC, the data's

// appendRecord frames data.
func appendRecord(to, data []byte) []byte {
	from := len(to)
	to = binary.LittleEndian.AppendUint64(to, uint64(len(data)))
	to = binary.LittleEndian.AppendUint32(to, masked(to[from:]))
	to = append(to, data...)
	return binary.LittleEndian.AppendUint32(to, masked(data))
}

// ErrDamaged is of a record whose checksums are wrong.
var ErrDamaged = errors.New("damaged record")

// cutRecord takes the first record from raw. Its error is [io.ErrUnexpectedEOF] where the
// record is not whole.
func cutRecord(raw []byte) (data, rest []byte, err error) {
	if len(raw) < frame {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint64(raw)
	if binary.LittleEndian.Uint32(raw[8:]) != masked(raw[:8]) {
		return nil, nil, fmt.Errorf("%w: CRC of the length", ErrDamaged)
	}
	if n > uint64(len(raw)-frame) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	data = raw[12 : 12+n]
	if binary.LittleEndian.Uint32(raw[12+n:]) != masked(data) {
		return nil, nil, fmt.Errorf("%w: CRC of %d bytes", ErrDamaged, n)
	}
	return data, raw[frame+n:], nil
}
