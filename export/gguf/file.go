package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"mobilellm/internal/regular"
)

// The least bytes that an entry of each list takes: no count in a header may
// promise more entries than the rest of the file could hold.
const (
	minKeyValue = 8 + 4 + 1
	minTensor   = 8 + 4 + 4 + 8
	maxDims     = 4
	maxName     = 1 << 16
)

// Tensor describes a tensor of a file.
type Tensor struct {
	Name  string
	Shape []int // the slowest dimension first, as elsewhere in this program
	Type  Type

	offset int64 // within the data
	bytes  int64
}

// File is an open file.
type File struct {
	// Metadata values are uint32, int64 (of all other integers), float32,
	// float64, bool or string, or lists of int64, float32, float64, bool or
	// string.
	Metadata map[string]any
	Tensors  []Tensor

	name  string
	r     io.ReaderAt
	close func() error
	data  int64 // where the tensors' data begins
	index map[string]int
}

// Open opens a file and reads its header. Errors name the path.
func Open(path string) (*File, error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	stat, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f, err := NewFile(file, stat.Size(), path)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f.close = file.Close
	return f, nil
}

// NewFile reads a file of the given size through r; name is what errors call it.
// Closing the File leaves r alone.
func NewFile(r io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{Metadata: map[string]any{}, name: name, r: r, index: map[string]int{}}
	h := &header{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<16), size: size}
	if err := f.readHeader(h); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

func (f *File) tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// read reads a tensor of the given shape into dst.
func (f *File) read(name string, shape []int, dst []float32) error {
	t, ok := f.tensor(name)
	if !ok {
		return fmt.Errorf("%s: tensor %s is missing; shape %d is expected", f.name, name, shape)
	}
	if !slices.Equal(t.Shape, shape) {
		return fmt.Errorf("%s: tensor %s has shape %d; %d is expected", f.name, name, t.Shape, shape)
	}
	info := typeInfo[t.Type]
	const perRead = 1 << 18 // elements; whole blocks
	buffer := make([]byte, min(int64(len(dst)), perRead)/info.elements*info.bytes)
	at := f.data + t.offset
	for len(dst) > 0 {
		n := min(perRead, len(dst))
		part := buffer[:int64(n)/info.elements*info.bytes]
		if read, err := f.r.ReadAt(part, at); read < len(part) {
			return fmt.Errorf("%s: reading tensor %s: %w", f.name, name, noEOF(err))
		}
		t.Type.decode(dst[:n], part)
		dst, at = dst[n:], at+int64(len(part))
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *File) readHeader(h *header) error {
	if m := h.take(4); h.err != nil || string(m) != magic {
		return errors.New("it does not begin with GGUF; is it a GGUF file?")
	}
	if v := h.uint32(); h.err == nil && v != 2 && v != version {
		return fmt.Errorf("version %d is not supported: only 2 and 3 are", v)
	}
	tensors, values := h.uint64(), h.uint64()
	if h.err != nil {
		return h.err
	}
	if values > uint64(h.rest())/minKeyValue || tensors > uint64(h.rest())/minTensor {
		return fmt.Errorf("%d tensors and %d metadata entries do not fit into %d bytes", tensors, values, h.size)
	}
	for i := range values {
		key := h.string(maxName)
		value := h.value(h.uint32())
		if h.err != nil {
			return fmt.Errorf("metadata entry %d (%q): %w", i, clip(key), h.err)
		}
		if _, twice := f.Metadata[key]; twice {
			return fmt.Errorf("metadata %q is given twice", clip(key))
		}
		f.Metadata[key] = value
	}
	for i := range tensors {
		t, err := h.tensor()
		if err != nil {
			return fmt.Errorf("tensor %d (%s): %w", i, clip(t.Name), err)
		}
		if _, twice := f.index[t.Name]; twice {
			return fmt.Errorf("tensor %s is given twice", clip(t.Name))
		}
		f.index[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	return f.placeData(h)
}

// placeData finds where the data begins and holds every tensor against the file
// and against each other.
func (f *File) placeData(h *header) error {
	align := int64(alignment)
	if n, ok := number(f.Metadata[keyAlignment]); ok {
		if n < 1 || n > 1<<20 || int64(n)&(int64(n)-1) != 0 {
			return fmt.Errorf("%s (%g) is no power of two", keyAlignment, n)
		}
		align = int64(n)
	}
	f.data = (h.at + align - 1) / align * align
	byPlace := slices.Clone(f.Tensors)
	slices.SortFunc(byPlace, func(a, b Tensor) int {
		switch {
		case a.offset < b.offset || a.offset == b.offset && a.bytes < b.bytes:
			return -1
		case a.offset > b.offset || a.bytes > b.bytes:
			return 1
		}
		return 0
	})
	end := int64(0)
	for _, t := range byPlace {
		switch {
		case t.offset%align != 0:
			return fmt.Errorf("tensor %s: offset %d is no multiple of %d", clip(t.Name), t.offset, align)
		case t.offset < end:
			return fmt.Errorf("tensor %s begins at byte %d, within another that ends at %d", clip(t.Name), t.offset, end)
		case t.offset > h.size || t.bytes > h.size-f.data-t.offset:
			return fmt.Errorf("truncated: tensor %s takes bytes %d to %d of the data; the file has %d", clip(t.Name), t.offset, t.offset+t.bytes, max(h.size-f.data, 0))
		}
		end = t.offset + t.bytes
	}
	return nil
}

// header reads a header; after the first error it reads nothing more.
type header struct {
	r    *bufio.Reader
	at   int64
	size int64
	err  error
}

func (h *header) rest() int64 { return h.size - h.at }

// take reads n bytes, once they are known to be there.
func (h *header) take(n uint64) []byte {
	if h.err != nil {
		return nil
	}
	if n > uint64(h.rest()) {
		h.err = fmt.Errorf("truncated: %d bytes are expected at byte %d of %d", n, h.at, h.size)
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(h.r, b); err != nil {
		h.err = noEOF(err)
		return nil
	}
	h.at += int64(n)
	return b
}

func (h *header) uint32() uint32 {
	if b := h.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (h *header) uint64() uint64 {
	if b := h.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (h *header) string(limit uint64) string {
	n := h.uint64()
	if h.err == nil && n > limit {
		h.err = fmt.Errorf("a text of %d bytes is longer than %d", n, limit)
	}
	return string(h.take(n))
}

// scalarBytes is the size of each type of numbers.
var scalarBytes = map[uint32]uint64{
	typeUint8: 1, typeInt8: 1, typeBool: 1, typeUint16: 2, typeInt16: 2, typeUint32: 4, typeInt32: 4, typeFloat32: 4,
	typeUint64: 8, typeInt64: 8, typeFloat64: 8,
}

func (h *header) value(typ uint32) any {
	switch typ {
	case typeString:
		return h.string(math.MaxUint64)
	case typeArray:
		return h.array()
	}
	size, ok := scalarBytes[typ]
	if !ok && h.err == nil {
		h.err = fmt.Errorf("unknown type %d of a value", typ)
	}
	b := h.take(size)
	if b == nil {
		return nil
	}
	switch typ {
	case typeUint32:
		return binary.LittleEndian.Uint32(b)
	case typeFloat32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case typeFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case typeBool:
		return b[0] != 0
	}
	return integer(typ, b)
}

func integer(typ uint32, b []byte) int64 {
	var v uint64
	for i := range b {
		v |= uint64(b[i]) << (8 * i)
	}
	switch typ {
	case typeInt8, typeInt16, typeInt32:
		shift := 64 - 8*len(b)
		return int64(v<<shift) >> shift
	}
	return int64(v)
}

// array reads a list. Lists of lists are refused: no model of this kind has any.
func (h *header) array() any {
	typ, n := h.uint32(), h.uint64()
	if h.err != nil {
		return nil
	}
	least := scalarBytes[typ]
	if typ == typeString {
		least = 8
	}
	if least == 0 {
		h.err = fmt.Errorf("a list of type %d is not supported", typ)
		return nil
	}
	if n > uint64(h.rest())/least {
		h.err = fmt.Errorf("truncated: a list of %d values at byte %d of %d", n, h.at, h.size)
		return nil
	}
	if typ == typeString {
		list := make([]string, 0, min(n, 1<<20))
		for range n {
			list = append(list, h.string(math.MaxUint64))
			if h.err != nil {
				return nil
			}
		}
		return list
	}
	b := h.take(n * least)
	if b == nil && n > 0 {
		return nil
	}
	return numbers(typ, b, int(n), int(least))
}

func numbers(typ uint32, b []byte, n, size int) any {
	switch typ {
	case typeFloat32:
		list := make([]float32, n)
		for i := range list {
			list[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[i*size:]))
		}
		return list
	case typeFloat64:
		list := make([]float64, n)
		for i := range list {
			list[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[i*size:]))
		}
		return list
	case typeBool:
		list := make([]bool, n)
		for i := range list {
			list[i] = b[i] != 0
		}
		return list
	}
	list := make([]int64, n)
	for i := range list {
		list[i] = integer(typ, b[i*size:(i+1)*size])
	}
	return list
}

func (h *header) tensor() (Tensor, error) {
	t := Tensor{Name: h.string(maxName)}
	dims := h.uint32()
	if h.err == nil && dims > maxDims {
		return t, fmt.Errorf("%d dimensions are more than %d", dims, maxDims)
	}
	elements := int64(1)
	row := int64(1)
	for i := range dims {
		d := h.uint64()
		if h.err == nil && (d > math.MaxInt32 || elements > math.MaxInt64/16/max(int64(d), 1)) {
			return t, fmt.Errorf("a dimension of %d is too large", d)
		}
		if i == 0 {
			row = int64(d)
		}
		elements *= int64(d)
		t.Shape = append(t.Shape, int(d))
	}
	slices.Reverse(t.Shape)
	t.Type = Type(h.uint32())
	offset := h.uint64()
	if h.err != nil {
		return t, h.err
	}
	if offset > math.MaxInt64/2 {
		return t, fmt.Errorf("offset %d is too large", offset)
	}
	t.offset = int64(offset)
	info, ok := typeInfo[t.Type]
	if !ok {
		return t, fmt.Errorf("%v is not supported: only f32, f16, bf16 and q8_0 are", t.Type)
	}
	if row%info.elements != 0 {
		return t, fmt.Errorf("rows of %d elements are no whole blocks of %v", row, t.Type)
	}
	t.bytes = elements / info.elements * info.bytes
	return t, nil
}

// clip keeps a hostile name from filling the screen.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
