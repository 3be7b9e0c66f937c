package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"mobilellm/internal/filemap"
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

// File is an open file. Its methods may be called from several goroutines.
type File struct {
	// Metadata values are uint32, int64 (of all other integers), float32,
	// float64, bool or string, or lists of int64, float32, float64, bool or
	// string.
	Metadata map[string]any
	Tensors  []Tensor

	name  string
	file  *filemap.File
	data  int64 // where the tensors' data begins
	index map[string]int
}

// Open maps a file and reads its header. Errors name the path.
func Open(path string) (*File, error) {
	file, err := filemap.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := NewFile(file, path)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// NewFile reads a file that is in memory; name is what errors call it.
func NewFile(file *filemap.File, name string) (*File, error) {
	f := &File{Metadata: map[string]any{}, name: name, file: file, index: map[string]int{}}
	if err := f.readHeader(&header{raw: file.Data, size: int64(len(file.Data))}); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Name is the path that the file was opened by.
func (f *File) Name() string { return f.name }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

func (f *File) tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// find is the tensor of that name, which must have the given shape.
func (f *File) find(name string, shape []int) (Tensor, error) {
	t, ok := f.tensor(name)
	if !ok {
		return t, fmt.Errorf("%s: tensor %s is missing; shape %d is expected", f.name, name, shape)
	}
	if !slices.Equal(t.Shape, shape) {
		return t, fmt.Errorf("%s: tensor %s has shape %d; %d is expected", f.name, name, t.Shape, shape)
	}
	return t, nil
}

// perPart is how many elements a processor converts at a time, about.
const perPart = 1 << 16

// read reads a tensor into dst as float32. order says which row of dst each row is;
// nil leaves them as they are.
func (f *File) read(t Tensor, dst []float32, order func(row int) int) error {
	if len(dst) == 0 {
		return nil
	}
	decode := layouts[t.Type].decode
	width := t.Shape[len(t.Shape)-1]
	bytes := int(t.Type.size(int64(width)))
	data := f.file.Data[f.data+t.offset:][:t.bytes]
	err := f.file.Parts(len(dst)/width, max(perPart/width, 1), func(from, to int) {
		if order == nil {
			decode(dst[from*width:to*width], data[from*bytes:to*bytes])
			return
		}
		for row := from; row < to; row++ {
			decode(dst[order(row)*width:][:width], data[row*bytes:][:bytes])
		}
	})
	if err != nil {
		return fmt.Errorf("%s: reading tensor %s: %w", f.name, t.Name, err)
	}
	return nil
}

func (f *File) readHeader(h *header) error {
	if m := h.take(4); h.err != nil || string(m) != Magic {
		return errors.New("it does not begin with GGUF; is it a GGUF file?")
	}
	v := h.uint32()
	if bits.ReverseBytes32(v) == version {
		return errors.New("it is of a big-endian machine, which is not supported")
	}
	if h.err == nil && v != 2 && v != version {
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
	raw  []byte
	at   int64
	size int64
	err  error
}

func (h *header) rest() int64 { return h.size - h.at }

// take returns the next n bytes, once they are known to be there.
func (h *header) take(n uint64) []byte {
	if h.err != nil {
		return nil
	}
	if n > uint64(h.rest()) {
		h.err = fmt.Errorf("truncated: %d bytes are expected at byte %d of %d", n, h.at, h.size)
		return nil
	}
	b := h.raw[h.at:][:n]
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
	l, ok := layouts[t.Type]
	if !ok {
		return t, fmt.Errorf("%v is not supported: only %s are", t.Type, readable())
	}
	if row%l.elements != 0 {
		return t, fmt.Errorf("rows of %d elements are no whole blocks of %v", row, t.Type)
	}
	t.bytes = t.Type.size(elements)
	return t, nil
}

// clip keeps a hostile name from filling the screen.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
