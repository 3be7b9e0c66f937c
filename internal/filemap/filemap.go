package filemap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"mobilellm/internal/regular"
)

// File is an open file in memory.
type File struct {
	Data []byte // valid until Close

	f     *os.File // nil where there is none
	unmap func() error
}

// Open maps a regular file. Errors name the path.
func Open(path string) (_ *File, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() == 0: // which cannot be mapped
		return &File{f: f, unmap: func() error { return nil }}, nil
	}
	data, unmap, err := mapFile(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: mapping into memory: %w", path, err)
	}
	return &File{data, f, unmap}, nil
}

// Bytes is a file that is in memory already.
func Bytes(data []byte) *File { return &File{Data: data} }

// Close unmaps the file.
func (f *File) Close() error {
	if f.f == nil {
		return nil
	}
	return errors.Join(f.unmap(), f.f.Close())
}

// Read copies len(dst) bytes from the at-th on. Of a file, they are read and not copied out
// of the mapping, whose pages would cost more where each byte is wanted once.
func (f *File) Read(dst []byte, at int64) error {
	if f.f == nil {
		copy(dst, f.Data[at:])
		return nil
	}
	if _, err := f.f.ReadAt(dst, at); errors.Is(err, io.EOF) {
		return errCut
	} else if err != nil {
		return err
	}
	return nil
}

// Guard calls read, which reads Data on this goroutine. Where the file is shorter by
// then than it was, as when another program writes it anew, the error wraps
// [io.ErrUnexpectedEOF]; the processor's fault would end the program.
func (f *File) Guard(read func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
			err = f.check()
		case interface{ Addr() uintptr }:
			err = errCut
		default:
			panic(fault)
		}
	}()
	read()
	return nil
}

var errCut = fmt.Errorf("the file was cut short while it was read: %w", io.ErrUnexpectedEOF)

// check finds the end within the last page, behind which a mapping has zeros.
func (f *File) check() error {
	if f.f == nil {
		return nil
	}
	info, err := f.f.Stat()
	if err == nil && info.Size() < int64(len(f.Data)) {
		err = errCut
	}
	return err
}
