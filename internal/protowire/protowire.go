// Package protowire writes and reads the wire format of Protocol Buffers, as far
// as ONNX, SentencePiece and TensorBoard files need it: messages are built by appending
// fields and read field by field.
//
// https://protobuf.dev/programming-guides/encoding/
package protowire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The wire types.
const (
	varint  = 0
	fixed64 = 1
	bytes   = 2
	fixed32 = 5
)

// Message is a message being built.
type Message []byte

func (m *Message) tag(field, wire int) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|uint64(wire))
}

// Int appends an int32, int64 or enum field.
func (m *Message) Int(field int, v int64) {
	m.tag(field, varint)
	*m = binary.AppendUvarint(*m, uint64(v))
}

// Bool appends a bool field.
func (m *Message) Bool(field int, v bool) {
	if v {
		m.Int(field, 1)
	} else {
		m.Int(field, 0)
	}
}

// Float appends a float field.
func (m *Message) Float(field int, v float32) {
	m.tag(field, fixed32)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
}

// Double appends a double field.
func (m *Message) Double(field int, v float64) {
	m.tag(field, fixed64)
	*m = binary.LittleEndian.AppendUint64(*m, math.Float64bits(v))
}

// String appends a string field.
func (m *Message) String(field int, v string) {
	m.Length(field, len(v))
	*m = append(*m, v...)
}

// Bytes appends a bytes field or an embedded message.
func (m *Message) Bytes(field int, v []byte) {
	m.Length(field, len(v))
	*m = append(*m, v...)
}

// Length appends the head of a field of n bytes, which the caller writes
// itself.
func (m *Message) Length(field, n int) {
	m.tag(field, bytes)
	*m = binary.AppendUvarint(*m, uint64(n))
}

// Field is a field of a message: bytes of a string or message, or the bits of a
// number.
type Field struct {
	Number int
	Bytes  []byte
	Bits   uint64
}

// Int is the value of an int32, int64 or enum field.
func (f Field) Int() int64 { return int64(f.Bits) }

// Bool is the value of a bool field.
func (f Field) Bool() bool { return f.Bits != 0 }

// Float is the value of a float field.
func (f Field) Float() float32 { return math.Float32frombits(uint32(f.Bits)) }

// Double is the value of a double field.
func (f Field) Double() float64 { return math.Float64frombits(f.Bits) }

var errMalformed = errors.New("malformed protocol buffer")

// Each calls yield with the fields of a message in order. Their Bytes refer to
// the message.
func Each(message []byte, yield func(Field) error) error {
	for at := 0; at < len(message); {
		tag, n := binary.Uvarint(message[at:])
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29 {
			return fmt.Errorf("%w: tag at byte %d", errMalformed, at)
		}
		f := Field{Number: int(tag >> 3)}
		rest := message[at+n:]
		size := 0
		switch tag & 7 {
		case varint:
			if f.Bits, size = binary.Uvarint(rest); size <= 0 {
				size = len(rest) + 1
			}
		case fixed64:
			if size = 8; len(rest) >= size {
				f.Bits = binary.LittleEndian.Uint64(rest)
			}
		case fixed32:
			if size = 4; len(rest) >= size {
				f.Bits = uint64(binary.LittleEndian.Uint32(rest))
			}
		case bytes:
			length, width := binary.Uvarint(rest)
			if width <= 0 || length > uint64(len(rest)-width) {
				return fmt.Errorf("%w: field %d at byte %d is cut short", errMalformed, f.Number, at)
			}
			size = width + int(length)
			f.Bytes = rest[width:size]
		default:
			return fmt.Errorf("%w: wire type %d at byte %d", errMalformed, tag&7, at)
		}
		if size > len(rest) {
			return fmt.Errorf("%w: field %d at byte %d is cut short", errMalformed, f.Number, at)
		}
		if err := yield(f); err != nil {
			return err
		}
		at += n + size
	}
	return nil
}

// Ints reads a repeated int64 field, packed or not, into list.
func (f Field) Ints(list []int64) ([]int64, error) {
	if f.Bytes == nil {
		return append(list, f.Int()), nil
	}
	for b := f.Bytes; len(b) > 0; {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, fmt.Errorf("%w: field %d: packed numbers", errMalformed, f.Number)
		}
		list, b = append(list, int64(v)), b[n:]
	}
	return list, nil
}
