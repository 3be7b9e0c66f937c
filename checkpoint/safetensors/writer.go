package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// bufferBytes is how much is converted between one write and the next.
const bufferBytes = 1 << 20

// Tensor is a tensor to be written.
type Tensor struct {
	Name  string
	DType DType     // F32, BF16, F16 or I8
	Shape []int     // its product is the number of elements
	Data  []float32 // row-major
	BF16  []uint16  // the elements of a BF16 tensor as they are, in place of Data
	Int8  []int8    // those of an I8 tensor
	// Fetch, when not nil, fills Data or BF16 just before they are written, so that
	// tensors can share memory.
	Fetch func() error
}

// Elements is the number of elements given.
func (t Tensor) Elements() int { return len(t.Data) + len(t.BF16) + len(t.Int8) }

// Write writes a file with the tensors in the order given. The header's
// metadata holds "format": "pt", which readers ask for, and what metadata adds.
//
// Everything is checked before the first byte is written. Writes to w are large
// (1 MiB but for the last), so w needs no buffer of its own.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	header, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	buffer := make([]byte, 0, bufferBytes)
	buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(header)))
	if _, err := w.Write(append(buffer, header...)); err != nil {
		return err
	}

	// Small tensors share a buffer: a model has many norms of 2 KB.
	buffer = buffer[:0]
	for _, t := range tensors {
		size := int(t.DType.Size())
		if t.Fetch != nil {
			if err := t.Fetch(); err != nil {
				return fmt.Errorf("tensor %s: %w", t.Name, err)
			}
		}
		for done, elements := 0, t.Elements(); done < elements; {
			n := min((cap(buffer)-len(buffer))/size, elements-done)
			if n == 0 {
				if _, err := w.Write(buffer); err != nil {
					return fmt.Errorf("tensor %s: %w", t.Name, err)
				}
				buffer = buffer[:0]
				continue
			}
			used := len(buffer)
			buffer = buffer[:used+n*size]
			t.encode(buffer[used:], done, n)
			done += n
		}
	}
	_, err = w.Write(buffer)
	return err
}

// encode writes n elements, from one on, to dst.
func (t Tensor) encode(dst []byte, from, n int) {
	switch {
	case t.DType == I8:
		for i, q := range t.Int8[from : from+n] {
			dst[i] = byte(q)
		}
	case t.BF16 != nil && littleEndian:
		copy(dst, asBytes(t.BF16[from:from+n]))
	case t.BF16 != nil:
		for i, h := range t.BF16[from : from+n] {
			binary.LittleEndian.PutUint16(dst[2*i:], h)
		}
	default:
		t.DType.Encode(dst, t.Data[from:from+n])
	}
}

// encodeHeader returns the header's JSON, padded with spaces to a multiple of 8
// bytes so that the data is aligned.
func encodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	// Keys in order: encoding/json would sort a map's.
	var b bytes.Buffer
	all := map[string]string{"format": "pt"}
	for key, value := range metadata {
		all[key] = value
	}
	b.WriteString(`{"` + metadataKey + `":`)
	if err := appendJSON(&b, all); err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(tensors))
	at := int64(0)
	for _, t := range tensors {
		if err := t.check(); err != nil {
			return nil, err
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %s is given twice", t.Name)
		}
		seen[t.Name] = true
		end := at + int64(t.Elements())*t.DType.Size()
		b.WriteByte(',')
		if err := appendJSON(&b, t.Name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		shape := t.Shape
		if shape == nil {
			shape = []int{} // a scalar's is [], not null
		}
		if err := appendJSON(&b, struct {
			DType   DType    `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{t.DType, shape, [2]int64{at, end}}); err != nil {
			return nil, err
		}
		at = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes for %d tensors is more than %d", b.Len(), len(tensors), maxHeader)
	}
	return b.Bytes(), nil
}

func appendJSON(b *bytes.Buffer, value any) error {
	raw, err := json.Marshal(value)
	b.Write(raw)
	return err
}

func (t Tensor) check() error {
	switch {
	case t.Name == metadataKey:
		return fmt.Errorf("a tensor cannot be named %s", metadataKey)
	case !t.DType.Float() && t.DType != I8:
		return fmt.Errorf("tensor %s: dtype %q is not F32, BF16, F16 or I8", t.Name, t.DType)
	case (t.DType == I8) != (t.Int8 != nil) || t.DType == I8 && (t.Data != nil || t.BF16 != nil):
		return fmt.Errorf("tensor %s: elements of dtype %s are given in another type", t.Name, t.DType)
	case t.BF16 != nil && t.DType != BF16:
		return fmt.Errorf("tensor %s: its elements are given in bf16; dtype %s needs float32", t.Name, t.DType)
	case t.BF16 != nil && t.Data != nil:
		return fmt.Errorf("tensor %s: elements are given in both float32 and bf16", t.Name)
	}
	given, elements := t.Elements(), 1
	for _, d := range t.Shape {
		if d < 0 || d > 0 && elements > given/d && elements > 0 {
			return fmt.Errorf("tensor %s: shape %d does not have %d elements", t.Name, t.Shape, given)
		}
		elements *= d
	}
	if elements != given {
		return fmt.Errorf("tensor %s: shape %d does not have %d elements", t.Name, t.Shape, given)
	}
	return nil
}
