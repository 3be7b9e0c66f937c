package sentencepiece

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The wire types of Protocol Buffers that model files use.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

var errWire = errors.New("broken protocol buffer")

// wireField is one field of a message: bytes of a string or message, or the
// bits of a number.
type wireField struct {
	number int
	bytes  []byte
	bits   uint64
}

func (f wireField) bool() bool     { return f.bits != 0 }
func (f wireField) int() int       { return int(int64(f.bits)) }
func (f wireField) float() float32 { return math.Float32frombits(uint32(f.bits)) }

// eachField calls yield with the fields of a message in order.
func eachField(message []byte, yield func(wireField) error) error {
	for at := 0; at < len(message); {
		tag, n := binary.Uvarint(message[at:])
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29 {
			return fmt.Errorf("%w: bad tag at byte %d", errWire, at)
		}
		start := at
		at += n
		field := wireField{number: int(tag >> 3)}
		switch rest := message[at:]; tag & 7 {
		case wireVarint:
			if field.bits, n = binary.Uvarint(rest); n <= 0 {
				return fmt.Errorf("%w: bad number in field %d at byte %d", errWire, field.number, start)
			}
			at += n
		case wireFixed64:
			if len(rest) < 8 {
				return fmt.Errorf("%w: field %d at byte %d is cut short", errWire, field.number, start)
			}
			field.bits = binary.LittleEndian.Uint64(rest)
			at += 8
		case wireFixed32:
			if len(rest) < 4 {
				return fmt.Errorf("%w: field %d at byte %d is cut short", errWire, field.number, start)
			}
			field.bits = uint64(binary.LittleEndian.Uint32(rest))
			at += 4
		case wireBytes:
			size, n := binary.Uvarint(rest)
			if n <= 0 || size > uint64(len(rest)-n) {
				return fmt.Errorf("%w: field %d at byte %d is cut short", errWire, field.number, start)
			}
			field.bytes = rest[n : n+int(size)]
			at += n + int(size)
		default:
			return fmt.Errorf("%w: wire type %d of field %d at byte %d", errWire, tag&7, field.number, start)
		}
		if err := yield(field); err != nil {
			return err
		}
	}
	return nil
}

func appendTag(dst []byte, number, wire int) []byte {
	return binary.AppendUvarint(dst, uint64(number<<3|wire))
}

func appendBytes(dst []byte, number int, value []byte) []byte {
	dst = binary.AppendUvarint(appendTag(dst, number, wireBytes), uint64(len(value)))
	return append(dst, value...)
}

func appendInt(dst []byte, number int, value int64) []byte {
	return binary.AppendUvarint(appendTag(dst, number, wireVarint), uint64(value))
}

func appendBool(dst []byte, number int, value bool) []byte {
	if value {
		return appendInt(dst, number, 1)
	}
	return appendInt(dst, number, 0)
}

func appendFloat(dst []byte, number int, value float32) []byte {
	return binary.LittleEndian.AppendUint32(appendTag(dst, number, wireFixed32), math.Float32bits(value))
}
