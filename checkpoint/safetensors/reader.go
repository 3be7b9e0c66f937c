package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"

	"mobilellm/internal/filemap"
)

// File is an open safetensors file. Its methods may be called from several
// goroutines.
type File struct {
	name   string
	file   *filemap.File
	data   []byte // of the tensors
	header *header
	index  map[string]int
}

// Open maps a file and checks its header. Errors name the path; one cut short
// is reported with the size that it has and the size that it should have.
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
	const prefix = 8
	raw := file.Data
	size := int64(len(raw))
	if size < prefix {
		return nil, fmt.Errorf("%s: truncated: %d bytes, expected at least %d", name, size, prefix)
	}
	length := binary.LittleEndian.Uint64(raw)
	if length > maxHeader {
		return nil, fmt.Errorf("%s: a header of %d bytes is more than %d; is it a safetensors file?", name, length, maxHeader)
	}
	offset := prefix + int64(length)
	if offset > size {
		return nil, fmt.Errorf("%s: truncated within its header: %d bytes, expected at least %d", name, size, offset)
	}
	h, err := parseHeader(raw[prefix:offset])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// Subtracting cannot overflow; the sum of two hostile sizes could.
	switch have := size - offset; {
	case have < h.dataLen:
		return nil, fmt.Errorf("%s: truncated: %d bytes of tensors, expected %d (the file has %d bytes)", name, have, h.dataLen, size)
	case have > h.dataLen:
		return nil, fmt.Errorf("%s: %d bytes of tensors, expected %d: %d too many (the file has %d bytes)", name, have, h.dataLen, have-h.dataLen, size)
	}

	f := &File{name: name, file: file, data: raw[offset:], header: h, index: make(map[string]int, len(h.tensors))}
	for i, t := range h.tensors {
		f.index[t.Name] = i
	}
	return f, nil
}

// Name is the path that the file was opened by.
func (f *File) Name() string { return f.name }

// Metadata is the header's __metadata__, empty where it has none. The caller
// must not change it.
func (f *File) Metadata() map[string]string { return f.header.metadata }

// Tensors lists the tensors in the order of their data. The caller must not
// change the list.
func (f *File) Tensors() []Info { return f.header.tensors }

// Lookup finds a tensor by name.
func (f *File) Lookup(name string) (Info, bool) {
	i, ok := f.index[name]
	if !ok {
		return Info{}, false
	}
	return f.header.tensors[i], true
}

// ReadFloat32 reads a tensor into dst, which has one element for each of the
// tensor's, row-major, converting F32, BF16 and F16. Errors name the file and
// the tensor.
func (f *File) ReadFloat32(name string, dst []float32) error {
	t, ok := f.Lookup(name)
	if !ok {
		return fmt.Errorf("%s: no tensor %s", f.name, name)
	}
	if !t.DType.Float() {
		return fmt.Errorf("%s: tensor %s is %s; only F32, BF16 and F16 can be read as floats", f.name, name, t.DType)
	}
	return f.read(t, len(dst), func(from, n int, part []byte) { t.DType.Decode(dst[from:from+n], part) })
}

// ReadFloat32From reads the elements of a tensor from the first-th on, as many as dst
// has, likewise, on this goroutine.
func (f *File) ReadFloat32From(name string, first int, dst []float32) error {
	t, ok := f.Lookup(name)
	switch {
	case !ok:
		return fmt.Errorf("%s: no tensor %s", f.name, name)
	case !t.DType.Float():
		return fmt.Errorf("%s: tensor %s is %s; only F32, BF16 and F16 can be read as floats", f.name, name, t.DType)
	case first < 0 || int64(first+len(dst)) > t.Elements():
		return fmt.Errorf("%s: tensor %s has %d elements, not %d from %d on", f.name, name, t.Elements(), len(dst), first)
	}
	size := t.DType.Size()
	from := t.begin + int64(first)*size
	var err error
	if t.DType == F32 && littleEndian {
		err = f.file.Read(asBytes(dst), int64(len(f.file.Data)-len(f.data))+from)
	} else {
		data := f.data[from:][:int64(len(dst))*size]
		err = f.file.Guard(func() { t.DType.Decode(dst, data) })
	}
	if err != nil {
		return fmt.Errorf("%s: reading tensor %s: %w", f.name, name, err)
	}
	return nil
}

// ReadBF16 reads a BF16 tensor into dst as it is, each element the upper half of
// a float32. Errors name the file and the tensor.
func (f *File) ReadBF16(name string, dst []uint16) error {
	t, ok := f.Lookup(name)
	if !ok {
		return fmt.Errorf("%s: no tensor %s", f.name, name)
	}
	if t.DType != BF16 {
		return fmt.Errorf("%s: tensor %s is %s; BF16 is expected", f.name, name, t.DType)
	}
	return f.read(t, len(dst), func(from, n int, part []byte) {
		for i := range n {
			dst[from+i] = binary.LittleEndian.Uint16(part[2*i:])
		}
	})
}

// ReadInt8 reads the elements of an I8 tensor from the first-th on, as many as dst has, on
// this goroutine. Errors name the file and the tensor.
func (f *File) ReadInt8(name string, first int, dst []int8) error {
	t, ok := f.Lookup(name)
	switch {
	case !ok:
		return fmt.Errorf("%s: no tensor %s", f.name, name)
	case t.DType != I8:
		return fmt.Errorf("%s: tensor %s is %s; I8 is expected", f.name, name, t.DType)
	case first < 0 || int64(first+len(dst)) > t.Elements():
		return fmt.Errorf("%s: tensor %s has %d elements, not %d from %d on", f.name, name, t.Elements(), len(dst), first)
	}
	data := f.data[t.begin+int64(first):][:len(dst)]
	err := f.file.Guard(func() {
		for i, b := range data {
			dst[i] = int8(b)
		}
	})
	if err != nil {
		return fmt.Errorf("%s: reading tensor %s: %w", f.name, name, err)
	}
	return nil
}

// perPart is how many elements a processor converts at a time.
const perPart = 1 << 16

// read passes a tensor's bytes to decode, in parts of n elements on all processors,
// once it has as many elements as are wanted.
func (f *File) read(t Info, wanted int, decode func(from, n int, part []byte)) error {
	if int64(wanted) != t.Elements() {
		return fmt.Errorf("%s: tensor %s has %d elements (shape %d), not %d", f.name, t.Name, t.Elements(), t.Shape, wanted)
	}
	size := int(t.DType.Size())
	data := f.data[t.begin:t.end]
	err := f.file.Parts(wanted, perPart, func(from, to int) { decode(from, to-from, data[from*size:to*size]) })
	if err != nil {
		return fmt.Errorf("%s: reading tensor %s: %w", f.name, t.Name, err)
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
