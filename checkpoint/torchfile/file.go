package torchfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/regular"
)

const (
	// maxPickle bounds the pickle; a model of a thousand tensors has 100 KB.
	maxPickle = 64 << 20
	// bufferBytes is how much is converted between one read and the next.
	bufferBytes = 1 << 20
)

// legacyMagic begins files that torch wrote before version 1.6, a pickle of a
// magic number (protocol 2, LONG1 of 10 bytes).
var legacyMagic = []byte{0x80, 0x02, 0x8a, 0x0a}

// File is an open file. Its methods may be called from several goroutines.
type File struct {
	name    string
	close   func() error
	tensors []safetensors.Info
	views   map[string]view
	index   map[string]int
	entries map[string]*zip.File // storages by key
}

// Open opens a file, runs its pickle in the small machine and checks every
// tensor against the archive. Errors name the path.
func Open(path string) (*File, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	stat, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t, err := NewFile(f, stat.Size(), path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.close = f.Close
	return t, nil
}

// NewFile reads a file of the given size through r; name is what errors call
// it. Closing the File leaves r alone.
func NewFile(r io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{name: name, views: map[string]view{}, index: map[string]int{}, entries: map[string]*zip.File{}}
	if err := f.read(r, size); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func (f *File) read(r io.ReaderAt, size int64) error {
	start := make([]byte, len(legacyMagic))
	if n, err := r.ReadAt(start, 0); n < len(start) && err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.Equal(start, legacyMagic) {
		return errors.New("a file of torch before 1.6 is not supported\nhint: load it with torch and save it again, or as safetensors")
	}
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("no archive of torch.save, or cut short: %w", err)
	}
	var pickle *zip.File
	for _, entry := range archive.File {
		dir, base := path.Split(entry.Name)
		switch {
		case base == "data.pkl" && strings.Count(dir, "/") == 1:
			if pickle != nil {
				return errors.New("the archive has two pickles")
			}
			pickle = entry
		case base == "byteorder":
			if err := checkByteOrder(entry); err != nil {
				return err
			}
		case strings.HasSuffix(dir, "/data/") && strings.Count(dir, "/") == 2:
			if f.entries[base] != nil {
				return fmt.Errorf("the archive has storage %s twice", base)
			}
			f.entries[base] = entry
		}
	}
	if pickle == nil {
		return errors.New("the archive has no data.pkl: not a file of torch.save")
	}
	raw, err := readEntry(pickle, maxPickle)
	if err != nil {
		return fmt.Errorf("data.pkl: %w", err)
	}
	value, err := unpickle(raw)
	if err != nil {
		return fmt.Errorf("data.pkl: %w", err)
	}
	state, ok := value.(*dict)
	if !ok {
		return fmt.Errorf("data.pkl holds a %T; a dictionary of tensors is expected", value)
	}
	return f.add(state, size)
}

// add lists the tensors of a state dictionary in a file of the given size.
func (f *File) add(state *dict, size int64) error {
	at := int64(0)
	for _, name := range state.keys {
		v, ok := state.values[name].(view)
		if !ok {
			return fmt.Errorf("entry %q is no tensor", clip(name))
		}
		entry := f.entries[v.storage.key]
		if entry == nil {
			return fmt.Errorf("tensor %s: storage %q is missing", clip(name), clip(v.storage.key))
		}
		// Compressed entries could stand for far more than the file's size.
		if entry.Method != zip.Store {
			return fmt.Errorf("tensor %s: storage %s is compressed", clip(name), v.storage.key)
		}
		have, each := entry.UncompressedSize64, v.storage.dtype.Size()
		if v.storage.elements > (1<<62)/each || have != uint64(v.storage.elements*each) {
			return fmt.Errorf("tensor %s: storage %s has %d bytes, not %d elements of %d", clip(name), v.storage.key, have, v.storage.elements, each)
		}
		// A directory may claim any size: hold it to what the file has.
		offset, err := entry.DataOffset()
		if err != nil {
			return fmt.Errorf("tensor %s: storage %s: %w", clip(name), v.storage.key, err)
		}
		if entry.CompressedSize64 != have || offset < 0 || offset > size || have > uint64(size-offset) {
			return fmt.Errorf("tensor %s: storage %s of %d bytes is not within the file of %d", clip(name), v.storage.key, have, size)
		}
		info := safetensors.NewInfo(name, v.storage.dtype, v.shape, at)
		at += info.Bytes()
		f.index[name] = len(f.tensors)
		f.tensors = append(f.tensors, info)
		f.views[name] = v
	}
	return nil
}

func checkByteOrder(entry *zip.File) error {
	raw, err := readEntry(entry, 16)
	if err == nil && string(raw) != "little" {
		err = fmt.Errorf("%q is not supported", raw)
	}
	if err != nil {
		return fmt.Errorf("byteorder: %w", err)
	}
	return nil
}

// readEntry reads a stored entry of at most limit bytes.
func readEntry(entry *zip.File, limit uint64) ([]byte, error) {
	if entry.UncompressedSize64 > limit {
		return nil, fmt.Errorf("%d bytes are more than %d", entry.UncompressedSize64, limit)
	}
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// The size in the directory may lie; what is read may not exceed the limit.
	raw, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && uint64(len(raw)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return raw, err
}

// Name is the path that the file was opened by.
func (f *File) Name() string { return f.name }

// Tensors lists the tensors in the order of the pickle. The caller must not
// change the list.
func (f *File) Tensors() []safetensors.Info { return f.tensors }

// Lookup finds a tensor by name.
func (f *File) Lookup(name string) (safetensors.Info, bool) {
	i, ok := f.index[name]
	if !ok {
		return safetensors.Info{}, false
	}
	return f.tensors[i], true
}

// ReadFloat32 reads a tensor into dst, which has one element for each of the
// tensor's, row-major, converting from float, half and bfloat16. Errors name the
// file and the tensor.
func (f *File) ReadFloat32(name string, dst []float32) error {
	info, ok := f.Lookup(name)
	if !ok {
		return fmt.Errorf("%s: no tensor %s", f.name, name)
	}
	if !info.DType.Float() {
		return fmt.Errorf("%s: tensor %s is %s; only F32, BF16 and F16 can be read as floats", f.name, name, info.DType)
	}
	if int64(len(dst)) != info.Elements() {
		return fmt.Errorf("%s: tensor %s has %d elements (shape %d), not %d", f.name, name, info.Elements(), info.Shape, len(dst))
	}
	if err := f.readView(f.views[name], dst); err != nil {
		return fmt.Errorf("%s: reading tensor %s: %w", f.name, name, err)
	}
	return nil
}

func (f *File) readView(v view, dst []float32) error {
	into := dst
	if !v.contiguous() {
		into = make([]float32, v.extent())
	}
	r, err := f.entries[v.storage.key].Open()
	if err != nil {
		return err
	}
	defer r.Close()
	size := v.storage.dtype.Size()
	if _, err := io.CopyN(io.Discard, r, v.offset*size); err != nil {
		return noEOF(err)
	}
	buffer := make([]byte, min(bufferBytes, int64(len(into))*size))
	for rest := into; len(rest) > 0; {
		n := min(len(buffer)/int(size), len(rest))
		part := buffer[:n*int(size)]
		if _, err := io.ReadFull(r, part); err != nil {
			return noEOF(err)
		}
		v.storage.dtype.Decode(rest[:n], part)
		rest = rest[n:]
	}
	if !v.contiguous() {
		v.gather(dst, into)
	}
	return nil
}

// noEOF makes the end of a file an error where bytes were expected.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close closes the file.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}
